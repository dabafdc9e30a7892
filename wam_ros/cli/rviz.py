"""The RViz configuration for what a preset shows on a robot, as `rviz:=true` makes it: rviz2 -d <out>."""

import argparse
from pathlib import Path

from wam_ros.node_table import Options, rviz_configuration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="fast_wam", help="preset in config/wam")
    parser.add_argument("--robot", default="panda_cell", help="robot file in config/robots")
    parser.add_argument("--out", type=Path, default=None, help="file.rviz; default: print it")


def run(arguments: argparse.Namespace) -> int:
    text = rviz_configuration(Options(robot=arguments.robot, model=arguments.model))
    if arguments.out is None:
        print(text, end="")
    else:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)
        print(f"{arguments.out}: rviz2 -d {arguments.out}")
    return 0
