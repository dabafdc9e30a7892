"""Faults in a running graph, at points spread over a task: the arm within its limits, at rest where it must be.

Nodes are real processes and faults real means: signals, relays, links. Exits with 1 when something did not hold.
"""

import argparse
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from wam_core.errors import ContractError, look_up
from wam_core.evaluation.fault_runs import Finding, Row, summarise

#: Kinds of limit in the table; the others are in --json.
SHOWN = ("velocity", "acceleration", "jerk", "torque", "torque_rate", "tool_speed", "workspace", "measured_velocity")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--faults", default="", help="in turn, with commas; all by default")
    parser.add_argument("--points", type=int, default=6, help="of each fault, spread over the tasks")
    parser.add_argument("--tasks", default="reach,push,drawer", help="in turn")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes and of the points")
    parser.add_argument("--model", default="fast_wam", help="preset with a checkpoint, or a checkpoint folder")
    parser.add_argument("--robot", default="panda_cell")
    parser.add_argument("--log", type=Path, default=Path("runs/faults.log"), help="what the nodes print")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    from wam_core.cell.tasks import TASKS
    from wam_core.policy import checkpoint_folder

    tasks = arguments.tasks.split(",")
    for task in tasks:
        look_up(TASKS, task, "tasks")
    if arguments.points < 1:
        raise ContractError("points", arguments.points, "one or more")
    checkpoint_folder(arguments.model)
    # ROS takes a second to load: what is wrong with the words is said before.
    from wam_ros.faults.campaign import Campaign
    from wam_ros.faults.table import FAULTS
    from wam_ros.node_table import Options

    names = arguments.faults.split(",") if arguments.faults else list(FAULTS)
    for name in names:
        look_up(FAULTS, name, "faults")
    own = Path(arguments.model).is_dir()
    options = Options(robot=arguments.robot, model=Options.model if own else arguments.model)
    findings: list[Finding] = []
    arguments.log.parent.mkdir(parents=True, exist_ok=True)
    with arguments.log.open("w", buffering=1) as log:
        campaign = Campaign(
            options,
            Path(arguments.model) if own else None,
            lambda line: print(line, file=log),
            lambda line: None if arguments.json else print(line, flush=True),
            findings.append,
        )
        broken = ""
        try:
            campaign.run(names, tasks, arguments.points, arguments.seed)
        except (RuntimeError, TimeoutError, KeyboardInterrupt) as error:
            broken = f"ended before its end: {error or type(error).__name__}"
    by_fault = {name: [f for f in findings if f.fault == name] for name in names}
    rows = [summarise(name, found) for name, found in by_fault.items() if found]
    if arguments.json:
        settings = {name: getattr(arguments, name) for name in ("model", "robot", "points", "seed")}
        report = {"machine": platform.machine(), "settings": settings | {"tasks": tasks}, "broken": broken}
        found = {"rows": [asdict(row) for row in rows], "findings": [asdict(f) for f in findings]}
        print(json.dumps(report | found, indent=1))
    else:
        print("\n".join(filter(None, (_table(rows), broken))))
    return int(bool(broken) or any(row.held < row.points for row in rows))


def _table(rows: Sequence[Row]) -> str:
    lines = ["", "times in s: median (most); limits: greatest share that was commanded, or measured", ""]
    head = ("fault", "held", "95 %", "moving", "reference at rest", "arm at rest", "of allowed", "back", *SHOWN)
    body: list[tuple[str, ...]] = [head]
    for row in rows:
        low, high = row.interval
        used = "-" if row.used is None else f"{row.used:.0%}"
        shares = [f"{row.shares.get(kind, 0.0):.1%}" for kind in SHOWN]
        times = [_times(row.rest_s), _times(row.measured_rest_s), used, _times(row.back_s)]
        held = [f"{row.held} of {row.points}", f"{low:.0%} to {high:.0%}", str(row.moving)]
        body.append((row.fault, *held, *times, *shares))
    widths = [max(len(line[k]) for line in body) for k in range(len(head))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in body]
    lines += [f"{row.fault}: {problem}" for row in rows for problem in row.problems]
    return "\n".join(lines)


def _times(times: tuple[float, float] | None) -> str:
    return "-" if times is None else f"{times[0]:.2f} ({times[1]:.2f})"
