"""Benchmarks that print ratios measured side by side in one run."""

import argparse
import json
import platform
from dataclasses import asdict

import torch

from wam_core.errors import look_up
from wam_core.evaluation.latency import Latency, measure

PRESETS = ("fast_wam", "fast_wam_joint", "fast_wam_idm", "fast_wam_no_cotrain", "behaviour_cloning")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=tuple(BENCHMARKS), help="what to measure")
    parser.add_argument("--presets", default=",".join(PRESETS), help="the first is the reference of the ratios")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--naive", action="store_true", help="also run each preset without reuse")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Run one benchmark."""
    return int(look_up(BENCHMARKS, arguments.what, "benchmark")(arguments))


def _latency(arguments: argparse.Namespace) -> int:
    torch.set_num_threads(arguments.threads)
    rows = measure(arguments.presets.split(","), arguments.rounds, arguments.seed, arguments.naive)
    machine = f"{platform.machine()}, {arguments.threads} thread(s), torch {torch.__version__}"
    if arguments.json:
        print(json.dumps({"machine": machine, "rounds": arguments.rounds, "rows": [asdict(r) for r in rows]}, indent=1))
    else:
        print(f"{machine}, {arguments.rounds} paired rounds")
        print("\n".join(_line(row) for row in rows))
    return 0


def _line(row: Latency) -> str:
    low, high = row.ratio_interval
    times = f"{row.median_ms:8.1f} ms median {row.p95_ms:8.1f} ms p95"
    return f"{row.preset:<22} {row.way:<6} {times}   x{row.ratio:.2f} [{low:.2f}, {high:.2f}]"


BENCHMARKS = {"latency": _latency}
