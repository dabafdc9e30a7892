"""Benchmarks: ratios measured side by side in one run, and what the executor does with chunks that mean harm."""

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple

from tqdm import tqdm

from wam_core.errors import look_up

PRESETS = ("fast_wam", "fast_wam_joint", "fast_wam_idm", "fast_wam_no_cotrain", "behaviour_cloning")


class Benchmark(NamedTuple):
    """Its own options, and what it does; the exit code tells whether what must hold did."""

    add_arguments: Callable[[argparse._ArgumentGroup], None]
    run: Callable[[argparse.Namespace], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=tuple(BENCHMARKS), help="what to measure")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    for name, benchmark in BENCHMARKS.items():
        benchmark.add_arguments(parser.add_argument_group(name))


def run(arguments: argparse.Namespace) -> int:
    """Run one benchmark."""
    return look_up(BENCHMARKS, arguments.what, "benchmark").run(arguments)


def _latency_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--presets", default=",".join(PRESETS), help="the first is the reference of the ratios")
    group.add_argument("--rounds", type=int, default=30)
    group.add_argument("--threads", type=int, default=1)
    group.add_argument("--naive", action="store_true", help="also run each preset without reuse")


def _latency(arguments: argparse.Namespace) -> int:
    import torch

    from wam_core.evaluation.latency import measure

    torch.set_num_threads(arguments.threads)
    rows = measure(arguments.presets.split(","), arguments.rounds, arguments.seed, arguments.naive)
    machine = f"{platform.machine()}, {arguments.threads} thread(s), torch {torch.__version__}"
    if arguments.json:
        print(json.dumps({"machine": machine, "rounds": arguments.rounds, "rows": [asdict(r) for r in rows]}, indent=1))
        return 0
    print(f"{machine}, {arguments.rounds} paired rounds")
    for row in rows:
        low, high = row.ratio_interval
        times = f"{row.median_ms:8.1f} ms median {row.p95_ms:8.1f} ms p95"
        print(f"{row.preset:<22} {row.way:<6} {times}   x{row.ratio:.2f} [{low:.2f}, {high:.2f}]")
    return 0


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


BENCHMARKS = {
    "latency": Benchmark(_latency_arguments, _latency),
    "safety": Benchmark(_safety_arguments, _safety),
}
