"""Live episodes over the ROS graph: cell, executor, model, viewer and recorder as processes of their own.

Exits with 0 when at least 8 of 10 episodes succeed. Leaves a report, the recordings and a picture of imagined beside
measured frames under runs/demo.
"""

import argparse
import time
from pathlib import Path

from wam_core.errors import ContractError, look_up


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="fast_wam", help="preset with a checkpoint, or a checkpoint folder")
    parser.add_argument("--robot", default="panda_cell")
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--tasks", default="reach,push,drawer", help="taken in turn")
    parser.add_argument("--seeds", default="", help="taken in turn, with commas; default: 0, 1, 2, ...")
    parser.add_argument("--out", default="", help="folder to leave everything in; default: runs/demo/<time>")


def run(arguments: argparse.Namespace) -> int:
    from wam_core.cell.tasks import TASKS
    from wam_core.policy import checkpoint_folder

    tasks = arguments.tasks.split(",")
    for task in tasks:
        look_up(TASKS, task, "tasks")
    if arguments.episodes < 1:
        raise ContractError("episodes", arguments.episodes, "one or more")
    try:
        seeds = [int(seed) for seed in arguments.seeds.split(",")] if arguments.seeds else range(arguments.episodes)
    except ValueError:
        raise ContractError("seeds", arguments.seeds, "whole numbers with commas between them") from None
    checkpoint_folder(arguments.model)
    plan = [(tasks[i % len(tasks)], seeds[i % len(seeds)]) for i in range(arguments.episodes)]
    folder = Path(arguments.out or time.strftime("runs/demo/%Y%m%d_%H%M%S"))
    # ROS takes a second to load: what is wrong with the words is said before.
    from wam_ros.demo import run_demo

    return run_demo(arguments.model, arguments.robot, plan, folder, lambda line: print(line, flush=True))
