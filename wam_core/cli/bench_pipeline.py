"""`wam bench pipeline`: what it takes from a camera to the executor beside the model's own time."""

import argparse
import importlib
import json
import platform
from dataclasses import asdict

from wam_core.cli.benchmark import Benchmark


def _arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--pipeline-model", default="fast_wam", help="preset with a checkpoint, or a checkpoint folder")
    group.add_argument("--pipeline-chunks", type=int, default=100)
    group.add_argument("--runtime", default="eager", help="parameter of wam_inference")
    group.add_argument("--preprocess", default="opencv", help="parameter of wam_inference")


def _run(arguments: argparse.Namespace) -> int:
    import numpy as np

    from wam_core.evaluation.pipeline import LEAST_MS, SHARE, STAGES, passages

    # By name, because nothing here imports ROS.
    pipeline = importlib.import_module("wam_ros.pipeline")
    size = tuple(int(edge) for edge in arguments.image.split("x"))
    chosen = {"runtime": arguments.runtime, "preprocess": arguments.preprocess, "threads": arguments.threads}
    seen = pipeline.observe(arguments.pipeline_model, size, arguments.pipeline_chunks, arguments.seed, chosen)
    found, copied = passages(seen.stamps), pipeline.copies(np.zeros((*size, 3), np.uint8))
    frames = {n: {"sent": seen.sent[n], "received": seen.received[n], "refused": seen.refused[n]} for n in seen.sent}
    if arguments.json:
        settings = {"model": arguments.pipeline_model, "image": arguments.image, **chosen}
        report = {"machine": platform.machine(), **settings, **asdict(found), "holds": found.holds}
        print(json.dumps({**report, "frames": frames, "copies": copied}, indent=1))
        return 0
    print(f"{arguments.pipeline_model}, {len(frames)} cameras {arguments.image}, {found.chunks} chunks, {chosen}")
    rows = [(name, spread, STAGES[name]) for name, spread in found.stages.items()]
    rows += [("total", found.total, ""), ("but the model", found.rest, "")]
    for name, spread, what in rows:
        print(f"{name:<14} {spread.median:8.2f} ms median {spread.p95:8.2f} ms p95   {what}".rstrip())
    allowed = f"at most {found.allowed_ms:.1f} ms ({SHARE:.0%} of the model's or {LEAST_MS:g} ms)"
    print(f"everything but the model: {allowed} at the median: {'yes' if found.holds else 'no'}")
    for name, counts in frames.items():
        lost = counts["sent"] - counts["received"]
        print(f"{name:<14} {counts['sent']} frames sent, {lost} lost on the way, {counts['refused']} refused")
    print(f"copies of an image's bytes: {sum(copied.values())}: {', '.join(f'{n} {k}' for k, n in copied.items())}")
    return 0


PIPELINE = Benchmark(_arguments, _run)
