"""The benchmark of a published preset in its true shapes."""

import argparse
import json
from dataclasses import asdict

import torch

from wam_core.cli.benchmark import Benchmark


def _arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--published", default="fast_wam_libero", help="a preset in config/wam/published")
    group.add_argument("--runtimes", default="eager,cuda_graphs", help="in turn, the first is the reference")
    group.add_argument("--device", default="cuda", help="where; the true sizes want 16 GB of its memory")


def _run(arguments: argparse.Namespace) -> int:
    from wam_core.evaluation.real_size import measure

    ways = arguments.runtimes.split(",")
    found = measure(arguments.published, ways, arguments.device, arguments.rounds, arguments.seed)
    if arguments.json:
        print(json.dumps({**asdict(found), "torch": torch.__version__, "rounds": arguments.rounds}, indent=1))
        return 0
    size = f"{found.parameters / 1e9:.2f} B random weights in bfloat16"
    work = f"a chunk reads {found.gigabytes:.1f} GB of them and does {found.teraflops:.2f} Tflop"
    print(f"{found.preset} on {found.device}, torch {torch.__version__}: {size}; {work}")
    print(f"picture to latents  {found.vae_ms:8.1f} ms")
    for row in found.rows:
        times = f"{row.median_ms:8.1f} ms median {row.p95_ms:8.1f} ms p95"
        ratio = f"x{row.ratio:.2f} [{row.ratio_interval[0]:.2f}, {row.ratio_interval[1]:.2f}]"
        print(f"{row.way:<18}  {times}   {ratio}   {row.bound_ms / row.median_ms:.0%} of what the card allows")
    return 0


REAL = Benchmark(_arguments, _run)
