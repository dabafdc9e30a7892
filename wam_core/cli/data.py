"""What is in a folder of recordings, what it looks like, and what speaks against training on it."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from wam_core.data.summary import FolderSummary, summarise
from wam_core.evaluation.contact_sheet import ContactSheet
from wam_core.robot.robot_file import load_robot

#: Instructions and gaps listed before the rest is only counted.
LISTED = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="MCAP files or rosbag2 folders, searched below it")
    parser.add_argument("--robot", help="robot file for recordings that embed no contract")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument("--pictures", type=Path, help="file.png: some episodes of each task, at begin, middle and end")


def run(arguments: argparse.Namespace) -> int:
    """Print the summary; 1 when a recording could not be read."""
    robot = load_robot(arguments.robot) if arguments.robot else None
    sheet = ContactSheet()
    with tqdm(desc="reading", unit="file", leave=False) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        summary = summarise(arguments.folder, robot, report, sheet.add if arguments.pictures else None)
    print(json.dumps(asdict(summary), indent=1) if arguments.json else "\n".join(lines(summary)))
    if arguments.pictures and summary.tasks:
        arguments.pictures.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet.draw()).save(arguments.pictures)
    return 1 if summary.problems else 0


def lines(summary: FolderSummary) -> list[str]:
    """The summary as a table for people."""
    out = [f"{'task':<14}{'episodes':>9}{'steps':>8}{'shortest':>10}{'median':>8}{'longest':>9}"]
    for task, lengths in summary.tasks.items():
        middle = int(np.median(lengths))
        out.append(f"{task:<14}{len(lengths):>9}{sum(lengths):>8}{min(lengths):>10}{middle:>8}{max(lengths):>9}")
    out += ["", "outcomes   " + ", ".join(f"{count} {name}" for name, count in sorted(summary.outcomes.items()))]
    out += ["cameras    " + ", ".join(f"{name} {rate:.2f} Hz" for name, rate in summary.cameras.items())]
    out += ["", f"{'column':<22}{'least':>10}{'mean':>10}{'greatest':>10}"]
    out += [f"{name:<22}{a:>10.4f}{b:>10.4f}{c:>10.4f}" for name, (a, b, c) in summary.columns.items()]
    most_frequent = sorted(summary.instructions.items(), key=lambda item: -item[1])
    out += ["", f"instructions ({len(most_frequent)})"]
    out += [f"{count:>6}  {text}" for text, count in most_frequent[:LISTED]]
    out += _listed("gaps (s without a fresh value)", [f"{s:.2f}  {name}" for name, s in summary.gaps.items()])
    out += _listed("unfinished files", summary.unfinished)
    out += _listed("actions derived from the measured pose", summary.derived)
    out += _listed("DOUBTS", summary.doubts)
    return out + _listed("PROBLEMS", summary.problems)


def _listed(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    rest = [f"  and {len(entries) - LISTED} more"] if len(entries) > LISTED else []
    return ["", f"{title} ({len(entries)})", *(f"  {entry}" for entry in entries[:LISTED]), *rest]
