"""Every fault at its points of a task: inject, watch, judge, mend, and see the arm move again."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from wam_core.errors import look_up
from wam_core.evaluation.fault_runs import SETTLES_S, Finding, Point, judge, points
from wam_core.evaluation.safety_checker import Checker
from wam_core.executor.settings import ExecutorSettings
from wam_core.executor.shaping import Shaper
from wam_ros.faults.graph import FaultGraph
from wam_ros.faults.layouts import LAYOUTS
from wam_ros.faults.table import FAULTS, Fault, Onset
from wam_ros.node_table import Options

Say = Callable[[str], None]
#: A chunk that was on its way when the fault began is heard within this time; the arm is watched for as long after it
#: must be at rest (s).
ON_ITS_WAY_S, QUIET_S = 0.5, 0.25


class Campaign:
    """Faults of one model and robot."""

    def __init__(
        self, options: Options, checkpoint: Path | None, show: Say, say: Say, found: Callable[[Finding], None]
    ) -> None:
        """``show`` takes what nodes print, ``say`` what a person wants to read, ``found`` each finding as it comes."""
        self._options, self._checkpoint, self._show, self._say = options, checkpoint, show, say
        self._found = found

    def run(self, names: Sequence[str], tasks: Sequence[str], count: int, seed: int) -> None:
        """``count`` points of each fault.

        Raises:
            ContractError: unknown fault.
            RuntimeError, TimeoutError: the graph could not be started, or the arm not be set in motion.
        """
        todo = [(name, look_up(FAULTS, name, "faults")) for name in names]
        for layout in dict.fromkeys(fault.layout for _, fault in todo):
            chosen = [(k, name, fault) for k, (name, fault) in enumerate(todo) if fault.layout == layout]
            left = [(name, fault, replace(p, seed=seed)) for k, name, fault in chosen
                    for p in points(tasks, count, seed + k)]  # fmt: skip
            run_in = self._run_in_own_process if LAYOUTS[layout].apart else self._run_in
            run_in(layout, left, tasks, seed)

    def _run_in_own_process(
        self, layout: str, left: list[tuple[str, Fault, Point]], tasks: Sequence[str], seed: int
    ) -> None:
        """For a graph on networks of its own: Fast DDS remembers the interfaces that a process began with."""
        spawn = multiprocessing.get_context("spawn")
        told, tell = spawn.Pipe(duplex=False)
        chosen = [(name, point) for name, _, point in left]
        words = (self._options, self._checkpoint, layout, chosen, tuple(tasks), seed, tell)
        child = spawn.Process(target=_run_alone, args=words)
        child.start()
        tell.close()
        listeners: dict[str, Callable[[Any], object]] = {"show": self._show, "say": self._say, "found": self._found}
        with suppress(EOFError):
            while True:
                kind, what = told.recv()
                listeners[kind](what)
        child.join()
        if child.exitcode:
            raise RuntimeError(f"{LAYOUTS[layout].about}: ended with {child.exitcode}")

    def _run_in(self, layout: str, left: list[tuple[str, Fault, Point]], tasks: Sequence[str], seed: int) -> None:
        """All that is ``left`` to do, in one graph while it comes back."""
        durations: dict[str, float] = {}
        while left:
            with FaultGraph(self._options, self._checkpoint, LAYOUTS[layout], self._show) as graph:
                runner = Runner(graph)
                if not durations:
                    durations = {task: runner.rehearse(task, seed) for task in tasks}
                    times = ", ".join(f"{task} {s:.1f} s" for task, s in durations.items())
                    self._say(f"{LAYOUTS[layout].about}; undisturbed: {times}")
                back = True
                while left and back:
                    name, fault, point = left.pop(0)
                    finding = runner.run(name, fault, point, durations[point.task])
                    self._found(finding)
                    self._say(_line(finding))
                    back = finding.back_s is not None


def _run_alone(
    options: Options,
    checkpoint: Path | None,
    layout: str,
    chosen: list[tuple[str, Point]],
    tasks: Sequence[str],
    seed: int,
    tell: Connection,
) -> None:
    """A part of a campaign in a process of its own, which tells the campaign of lines and findings."""
    one_at_a_time = threading.Lock()  # each node's lines come in a thread of their own

    def to(kind: str) -> Callable[[object], None]:
        def send(what: object) -> None:
            with one_at_a_time:
                tell.send((kind, what))

        return send

    campaign = Campaign(options, checkpoint, to("show"), to("say"), to("found"))
    campaign._run_in(layout, [(name, FAULTS[name], point) for name, point in chosen], tasks, seed)


class Runner:
    """One running graph."""

    def __init__(self, graph: FaultGraph) -> None:
        self._graph, self._robot = graph, graph.robot
        self._checker = Checker(graph.robot)
        self._stop_ns = round(Shaper(graph.robot, ExecutorSettings()).stop_s * 1e9)

    def rehearse(self, task: str, seed: int) -> float:
        """How long the task takes undisturbed, s."""
        self._graph.begin(task, seed)
        return float(self._graph.result().duration_s)

    def run(self, name: str, fault: Fault, point: Point, duration_s: float) -> Finding:
        graph, robot = self._graph, self._robot
        began_ns = graph.begin(point.task, point.seed)
        graph.watch(began_ns + round(point.share * duration_s * 1e9))
        asked_ns = graph.witness.now_ns
        fault.begin(graph)
        onset = Onset(asked_ns, graph.witness.now_ns)
        rest_by_ns = None
        if fault.stops_by is None:
            heard = graph.watch(onset.there_ns + round(fault.lasts_s * 1e9))
        else:
            heard = graph.watch(onset.there_ns + round(ON_ITS_WAY_S * 1e9))
            rest_by_ns = fault.stops_by(robot, heard, onset) + self._stop_ns
            heard = graph.watch(rest_by_ns + round((SETTLES_S + QUIET_S) * 1e9))
        finding = judge(name, point, robot, self._checker, heard, onset.asked_ns, rest_by_ns)
        problems = [*finding.problems]
        if fault.shows is not None and not fault.shows(heard, onset):
            problems.append("the fault was not seen in what was heard")
        back_s = None
        mended = time.monotonic()
        try:
            fault.end(graph)
            graph.begin(point.task, point.seed)
            back_s = time.monotonic() - mended
        except (RuntimeError, TimeoutError) as error:
            problems.append(f"the arm did not move again: {error}")
        return replace(finding, back_s=back_s, problems=tuple(problems))


def _line(finding: Finding) -> str:
    point, rest = finding.point, ""
    if finding.rest_s is not None and finding.measured_rest_s is not None:
        rest = f"reference at rest after {finding.rest_s:.3f} s, arm {finding.measured_rest_s:.3f}"
        rest += f", allowed {finding.allowed_s:.3f}"
    back = "not back" if finding.back_s is None else f"back in {finding.back_s:.1f} s"
    gap = f"longest gap {1e3 * finding.gap_s:.0f} ms"
    where = f"{finding.fault:<20} {point.task} at {point.share:4.0%}{'' if finding.moving else ' (at rest)'}"
    return "  ".join(filter(None, ("FAIL" if finding.problems else "ok  ", where, rest, gap, back, *finding.problems)))
