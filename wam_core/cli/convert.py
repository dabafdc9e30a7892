"""Recordings to a LeRobot v3.0 dataset, or such a dataset to recordings, by what the source is.

A folder with meta/info.json is taken for a dataset. Images go in as PNG, which loses nothing; state, action, tactile
and wrench go in as float32, as the policies of LeRobot want them. Videos of a dataset are read too.
"""

import argparse
from pathlib import Path

from tqdm import tqdm

from wam_core.data.lerobot.layout import INFO
from wam_core.data.training_set import recordings_in
from wam_core.robot.robot_file import load_robot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="recordings (a file or folder), or a LeRobot dataset")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--robot", help="robot file where the source carries no contract")


def run(arguments: argparse.Namespace) -> int:
    """Convert; 1 when a recording could not be read and was left out."""
    # Parquet takes a while to load; other verbs need none.
    from wam_core.data.lerobot.export import export
    from wam_core.data.lerobot.load import load

    source, robot = arguments.source, load_robot(arguments.robot) if arguments.robot else None
    if (source / INFO).exists():
        print(f"{arguments.out}: {len(load(source, arguments.out, robot))} recordings")
        return 0
    whole = source.is_file() or (source / "metadata.yaml").exists()
    with tqdm(desc="converting", unit="file", leave=False) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        made = export([source] if whole else recordings_in(source), arguments.out, robot, report)
    print(f"{arguments.out}: {made.episodes} episodes, {made.frames} frames, {made.tasks} tasks")
    for problem in made.problems:
        print(f"left out: {problem}")
    return 1 if made.problems else 0
