"""Put a recording through the same preprocessing and model again, and say where they part.

With --check the exit code is 0 only when inputs and outputs are bit-equal, chunk by chunk; that can be expected on the
same device with the same number of threads, which the recording names.
"""

import argparse
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from wam_core.evaluation.replay import Replay, replay

#: Chunks listed before the rest is only counted.
LISTED = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=Path, help="MCAP file or rosbag2 folder, made while wam_inference ran")
    parser.add_argument("--model", default="", help="preset or checkpoint folder; default: the recorded one")
    parser.add_argument("--check", action="store_true", help="exit with 1 when anything differs")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    found = replay(arguments.recording, arguments.model)
    print(json.dumps(asdict(found) | {"equal": found.equal}, indent=1) if arguments.json else "\n".join(lines(found)))
    return int(arguments.check and not found.equal)


def lines(found: Replay) -> list[str]:
    """The comparison for people: the verdict, then where they part."""
    parted = [chunk for chunk in found.chunks if chunk.parted]
    out = [f"{found.record.name}, checkpoint {found.record.digest[:12]}, seed {found.record.seed}"]
    out += [f"NOT THE SAME: {difference}" for difference in found.model]
    out.append(f"{len(found.chunks) - len(parted)} of {len(found.chunks)} chunks bit-equal, inputs and outputs")
    kinds = Counter(reason.partition(":")[0] for chunk in parted for reason in chunk.parted)
    out += [f"  {count:>5} part in {kind}" for kind, count in kinds.most_common()]
    begin_ns = found.chunks[0].stamp_ns if found.chunks else 0
    for chunk in parted[:LISTED]:
        seconds = (chunk.stamp_ns - begin_ns) / 1e9
        out.append(f"  chunk {chunk.sequence} at {seconds:.2f} s: {'; '.join(chunk.parted)}")
    return out + ([f"  and {len(parted) - LISTED} more"] if len(parted) > LISTED else [])
