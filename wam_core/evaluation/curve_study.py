"""What each point of a dial reaches, and what it costs: `wam bench curve`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from wam_core.cell.cell import Cell
from wam_core.contract import FloatArray, Observation
from wam_core.curve import Curve, Point
from wam_core.dial import Dial
from wam_core.dial_limits import check_dial
from wam_core.errors import ContractError, look_up
from wam_core.evaluation.intervals import median_ratio, wilson_interval
from wam_core.evaluation.rollout import EpisodeResult
from wam_core.evaluation.success import Trial, run_trials
from wam_core.model.runtimes.table import RUNTIMES
from wam_core.policy import Policy, checkpoint_folder, load_policy
from wam_core.preprocess.senses import looked_at
from wam_core.provenance import checkpoint_digest
from wam_core.robot.robot_file import load_robot

#: Rounds before times count.
WARM_UPS = 2


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        dials: in turn; ratios are to the first.
        seeds: of the episodes of each task, the same for every dial.
        rounds: of one chunk at every dial, timed. threads: of the model meanwhile; episodes run with one each.
        delay_ms: inference delay that all episodes imitate, whatever the dial.
    """

    model: str
    robot: str
    dials: tuple[Dial, ...]
    tasks: tuple[str, ...]
    seeds: range
    rounds: int
    threads: int
    delay_ms: int
    runtime: str
    renderer: str


def measure(plan: Plan, jobs: int, date: str, machine: str, report: Callable[[EpisodeResult], None]) -> Curve:
    """Run all episodes, those of the frozen cameras last, and time chunks before them.

    Args:
        jobs: processes that episodes run in. date, machine: go into the curve.
        report: is called as episodes end.

    Raises:
        ContractError: a model without a checkpoint, a dial that it does not have, no dial, seed or round.
    """
    for name in ("dials", "tasks", "seeds", "rounds"):
        if not getattr(plan, name):
            raise ContractError(f"plan.{name}", getattr(plan, name), "at least one")
    look_up(RUNTIMES, plan.runtime, "runtime")
    folder = checkpoint_folder(plan.model)
    policy = load_policy(str(folder), load_robot(plan.robot), plan.seeds.start, plan.runtime)
    for dial in plan.dials:
        check_dial(dial, policy.checkpoint.preset)
    times = chunk_times(policy, plan)
    trials = [*(t for dial in plan.dials for t in _trials(plan, dial)), *_trials(plan, Dial(), "blind")]
    results = run_trials(trials, jobs, report)
    size = len(plan.tasks) * len(plan.seeds)
    parts = [results[k : k + size] for k in range(0, len(results), size)]
    points = [
        _point(dial, part, times[:, k], times[:, 0], plan.seeds.start)
        for k, (dial, part) in enumerate(zip(plan.dials, parts, strict=False))
    ]
    measured = {
        "date": date,
        "machine": machine,
        "robot": plan.robot,
        "tasks": list(plan.tasks),
        "seeds": [plan.seeds.start, plan.seeds.stop],
        "rounds": plan.rounds,
        "threads": plan.threads,
        "delay_ms": plan.delay_ms,
        "runtime": plan.runtime,
    }
    return Curve(policy.name, checkpoint_digest(folder), tuple(points), _rate(parts[-1]), measured)


def chunk_times(policy: Policy, plan: Plan) -> FloatArray:
    """Milliseconds ``[rounds, dials]`` of a chunk, all dials in turn in each round, so that ratios survive a machine
    whose speed drifts; the tasks take turns from round to round."""
    torch.set_num_threads(plan.threads)
    cell = Cell(load_robot(plan.robot), plan.renderer)
    seen = [_observation(cell, policy, task, plan.seeds.start) for task in plan.tasks]
    taken = np.empty((plan.rounds + WARM_UPS, len(plan.dials)))
    for number in range(len(taken)):
        for k, dial in enumerate(plan.dials):
            policy.dial = dial
            began = time.perf_counter()
            policy.act(seen[number % len(seen)])
            taken[number, k] = 1e3 * (time.perf_counter() - began)
    return taken[WARM_UPS:]


def _observation(cell: Cell, policy: Policy, task: str, seed: int) -> Observation:
    cell.attend(policy.senses)
    told = cell.reset(task, seed)
    robot = cell.robot
    images = {name: robot.camera(name).cut(cell.image(name)) for name in policy.cameras}
    senses = {name: looked_at(robot, robot.sense(name), cell.sense(name)) for name in policy.senses}
    return Observation(cell.time_ns, images, cell.tool_pose(), told, cell.robot_state().tactile, senses)


def _trials(plan: Plan, dial: Dial, control: str = "none") -> list[Trial]:
    ways = (control, plan.renderer, plan.delay_ms, "none", dial, plan.runtime)
    return [Trial(plan.model, plan.robot, task, seed, *ways) for task in plan.tasks for seed in plan.seeds]


def _rate(results: Sequence[EpisodeResult]) -> tuple[float, tuple[float, float]]:
    good = sum(r.success for r in results)
    return good / len(results), wilson_interval(good, len(results))


def _point(dial: Dial, results: Sequence[EpisodeResult], own: FloatArray, first: FloatArray, seed: int) -> Point:
    success, interval = _rate(results)
    tasks = dict.fromkeys(r.task for r in results)
    failed = {task: tuple(r.seed for r in results if r.task == task and not r.success) for task in tasks}
    median, p95 = float(np.median(own)), float(np.quantile(own, 0.95))
    return Point(dial, success, interval, failed, median, p95, *median_ratio(own / first, seed))
