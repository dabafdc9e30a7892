"""Benchmarks of the executor: chunks that mean harm, the time that a tick takes, where chunks meet."""

import argparse
import json
import platform
import time
from dataclasses import asdict
from typing import Any

import numpy as np
from tqdm import tqdm

from wam_core.cli.benchmark import Benchmark
from wam_core.continuation import CONTINUATIONS
from wam_core.errors import look_up
from wam_core.executor.seams import SEAMS
from wam_core.robot.robot_file import load_robot


def _safety_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--robots", default="panda_cell", help="robot files, in turn")
    group.add_argument("--chunks", type=int, default=10_000, help="adversarial chunks")
    group.add_argument("--clean-episodes", type=int, default=0, help="of the cell's tasks, driven by ...")
    group.add_argument("--clean-model", default="", help="... this model, or by the scripted experts")
    group.add_argument("--seam", default="cross_fade")
    group.add_argument("--jobs", type=int, default=2)


def _safety(arguments: argparse.Namespace) -> int:
    from wam_core.evaluation.safety import Findings, attack_all, runs

    robots = arguments.robots.split(",")
    todo = runs(robots, arguments.seam, arguments.seed, arguments.chunks)
    began = time.monotonic()
    with tqdm(total=arguments.chunks, unit="chunk") as bar:

        def report(findings: Findings) -> None:
            bar.update(sum(findings.chunks.values()))

        found = attack_all(todo, arguments.jobs, report)
    seconds = time.monotonic() - began
    beyond, unexplained = sum(found.violations.values()), sum(found.unexplained.values())
    chunks = sum(found.chunks.values())
    summary: dict[str, object] = {
        "chunks": chunks,
        "commands": found.ticks,
        "commands_beyond_limits": beyond - found.violations["contact"],
        "commands_in_contact": found.violations["contact"],
        "chunks_without_a_reason": unexplained,
        "chunks_per_s": round(chunks / seconds, 1),
    }
    clean = _clean(arguments)
    summary |= clean
    if arguments.json:
        settings = {k: getattr(arguments, k) for k in ("robots", "seam", "seed", "jobs", "clean_model")}
        examples = [{"run": asdict(r), "violation": v._asdict()} for r, v in found.examples]
        counts = {k: dict(sorted(v.items())) for k, v in vars(found).items() if isinstance(v, dict)}
        print(
            json.dumps(summary | {"settings": settings, "seconds": seconds} | counts | {"examples": examples}, indent=1)
        )
    else:
        print("\n".join(f"{name.replace('_', ' '):<26} {value}" for name, value in summary.items()))
        for name, count in sorted((found.violations + found.unexplained).items()):
            print(f"  {name:<24} {count}")
    return int(beyond + unexplained > 0)


def _clean(arguments: argparse.Namespace) -> dict[str, object]:
    """What became of clean chunks, with the 95 % interval of the share that was stopped or altered without need."""
    from wam_core.cell.tasks import TASKS
    from wam_core.evaluation.intervals import wilson_interval
    from wam_core.evaluation.safety_clean import Clean, clean_runs, watch_all

    if not arguments.clean_episodes:
        return {}
    tasks = ("reach", "push", "drawer") if arguments.clean_model else tuple(TASKS)
    todo = clean_runs(
        "panda_cell", arguments.seam, arguments.clean_model, tasks, arguments.seed, arguments.clean_episodes
    )
    with tqdm(total=len(todo), unit="episode") as bar:

        def report(clean: Clean) -> None:
            bar.update(clean.episodes)

        clean = watch_all(todo, arguments.jobs, report)
    wrong = clean.stopped + clean.altered - clean.due
    return {
        "clean_chunks": clean.chunks,
        "clean_stopped": clean.stopped,
        "clean_altered": clean.altered,
        "clean_due": clean.due,
        "clean_wrong_interval_95": wilson_interval(wrong, clean.chunks),
        "clean_torque_clipped": clean.torque_clipped,
        "clean_reasons": dict(clean.reasons),
        "clean_succeeded": f"{clean.succeeded} of {clean.episodes}",
    }


def _tick_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--load", default="fast_wam", help="preset whose inference runs on another core; '' for none")


def _tick(arguments: argparse.Namespace) -> int:
    from wam_core.cell.tasks import TASKS
    from wam_core.evaluation.tick_time import measure

    found = measure(load_robot(arguments.robot), tuple(TASKS), arguments.seed, arguments.load)
    if arguments.json:
        print(json.dumps({"machine": platform.machine(), "load": arguments.load} | asdict(found), indent=1))
        return 0
    print(
        f"{arguments.robot}: {found.ticks} ticks of {found.period_ms:g} ms, {found.allowed}, "
        f"beside inference of {arguments.load or '-'}"
    )
    for name, spread in (("wall", found.wall), ("processor", found.cpu)):
        print(
            f"{name:<10} {spread.median:7.3f} ms median {spread.p99:7.3f} ms p99 {spread.p999:7.3f} ms p99.9 "
            f"{spread.most:7.3f} ms most; p99.9 is {spread.p999 / found.period_ms:.0%} of the period"
        )
    return 0


#: What `wam bench seams` compares unless told otherwise.
STUDIED = (*SEAMS, "replace+real_time_chunking", "cross_fade+real_time_chunking")


def _mode(text: str) -> tuple[str, str]:
    """Seam of the executor and continuation of the model."""
    seam, _, continuation = text.partition("+")
    look_up(SEAMS, seam, "seams")
    look_up(CONTINUATIONS, continuation or "none", "seams")
    return seam, continuation or "none"


def _seams_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--seams", default=",".join(STUDIED), help="SEAM or SEAM+CONTINUATION, on the same episodes")
    group.add_argument("--delays", default="0,100,300", help="ms from an observation to its chunk")
    group.add_argument("--seam-model", default="fast_wam", help="preset with a checkpoint, or a checkpoint folder")
    group.add_argument("--seam-tasks", default="drawer,push")
    group.add_argument("--seam-episodes", type=int, default=10, help="per task, mode and delay")


def _seams(arguments: argparse.Namespace) -> int:
    from wam_core.evaluation.intervals import wilson_interval
    from wam_core.evaluation.seam_study import SeamResult, seam_runs, study_all

    modes = {text: _mode(text) for text in arguments.seams.split(",")}
    delays = [int(delay) for delay in arguments.delays.split(",")]
    seeds = range(arguments.seed, arguments.seed + arguments.seam_episodes)
    tasks = arguments.seam_tasks.split(",")
    todo = seam_runs(list(modes.values()), delays, arguments.seam_model, arguments.robot, tasks, seeds)
    with tqdm(total=len(todo), unit="episode") as bar:

        def report(result: SeamResult) -> None:
            bar.update()

        results = study_all(todo, arguments.jobs, report)
    rows: list[dict[str, Any]] = []
    for text, mode in modes.items():
        for delay in delays:
            these = [r for r in results if (r.run.seam, r.run.continuation, r.run.delay_ms) == (*mode, delay)]
            jerks = np.array([jerk for r in these for jerk in r.jerks])
            peak, rms = np.median(jerks, axis=0).tolist() if len(jerks) else (None, None)
            succeeded = sum(r.success for r in these)
            interval = wilson_interval(succeeded, len(these))
            rows.append(
                {"seam": text, "delay_ms": delay, "seams": len(jerks), "peak_jerk": peak, "rms_jerk": rms}
                | {"succeeded": succeeded, "episodes": len(these), "interval_95": interval}
            )
    if arguments.json:
        settings = {"model": arguments.seam_model, "robot": arguments.robot, "tasks": tasks}
        print(json.dumps({"settings": settings, "seeds": [seeds.start, seeds.stop], "rows": rows}, indent=1))
        return 0
    print(f"{arguments.seam_model}: jerk around a seam as a share of the limit (medians), success on the same episodes")
    for row in rows:
        print(
            f"{row['seam']:<30} {row['delay_ms']:4d} ms  {_share(row['peak_jerk'])} peak {_share(row['rms_jerk'])} rms "
            f"of {row['seams']} seams   {row['succeeded']} of {row['episodes']}"
        )
    return 0


def _share(value: float | None) -> str:
    """A share of a limit, or that no seam was met."""
    return "  none" if value is None else f"{value:6.2%}"


def _retarget_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--arms", default="panda_four_finger,ur5e,so101", help="robot files, or their paths")
    group.add_argument("--courses", default="reach,push,drawer", help="tasks whose experts the cell's arm follows")
    group.add_argument("--recordings", type=int, default=3, help="per course")


def _retarget(arguments: argparse.Namespace) -> int:
    from wam_core.evaluation.retargeting import match, record

    seeds = range(arguments.seed, arguments.seed + arguments.recordings)
    courses = [record(task, seed) for task in arguments.courses.split(",") for seed in seeds]
    rows: dict[str, dict[str, object]] = {}
    for name in arguments.arms.split(","):
        found = match(name, courses)
        errors = {"mm": found.millimetres, "degrees": found.degrees}
        spread = {u: [round(float(np.quantile(e, share)), 2) for share in (0.5, 0.95, 1.0)] for u, e in errors.items()}
        rows[name] = {"scale": round(found.scale, 3), **spread, "reasons": dict(found.reasons)}
    if arguments.json:
        print(json.dumps({"courses": len(courses), "steps": sum(map(len, courses)), "arms": rows}, indent=1))
        return 0
    print(f"{len(courses)} recordings; errors of the tool: median, 95 %, greatest")
    for name, row in rows.items():
        print(f"{name:<20} scale {row['scale']}   mm {row['mm']}   degrees {row['degrees']}   {row['reasons'] or ''}")
    return 0


SAFETY = Benchmark(_safety_arguments, _safety)
TICK = Benchmark(_tick_arguments, _tick)
SEAM_MODES = Benchmark(_seams_arguments, _seams)
RETARGET = Benchmark(_retarget_arguments, _retarget)
