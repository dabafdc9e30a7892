"""Benchmarks of the executor: chunks that mean harm, and the time that a tick takes."""

import argparse
import json
import platform
import time
from dataclasses import asdict

from tqdm import tqdm

from wam_core.cli.benchmark import Benchmark
from wam_core.robot.contract import load_robot


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
    """What became of clean chunks, with the 95 % interval of the share that was stopped or altered."""
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
    wrong = clean.stopped + clean.altered
    return {
        "clean_chunks": clean.chunks,
        "clean_stopped": clean.stopped,
        "clean_altered": clean.altered,
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
        f"{arguments.robot}: {found.ticks} ticks of {found.period_ms:g} ms, beside inference of {arguments.load or '-'}"
    )
    for name, spread in (("wall", found.wall), ("processor", found.cpu)):
        print(
            f"{name:<10} {spread.median:7.3f} ms median {spread.p99:7.3f} ms p99 {spread.p999:7.3f} ms p99.9 "
            f"{spread.most:7.3f} ms most; p99.9 is {spread.p999 / found.period_ms:.0%} of the period"
        )
    return 0


SAFETY = Benchmark(_safety_arguments, _safety)
TICK = Benchmark(_tick_arguments, _tick)
