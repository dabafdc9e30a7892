"""Start the graph without ros2 launch: the same nodes, parameters and arguments as bringup.launch.py.

Output is prefixed with the node's name; Ctrl-C stops everything. A node that ended, for whatever reason, is started
again beside the running ones with only:=<name>.
"""

import argparse

from wam_ros import up
from wam_ros.node_table import NODES, launch_arguments, options_from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for argument in launch_arguments():
        parser.add_argument(
            f"--{argument.name}",
            default=argument.default,
            metavar=argument.name.upper(),
            help=f"{argument.description}: {', '.join(argument.choices)} (default: {argument.default})",
        )
    names = [node.name for node in NODES]
    parser.add_argument("--only", default="", metavar="NODES", help=f"some of {', '.join(names)}, with commas")


def run(arguments: argparse.Namespace) -> int:
    options = options_from({a.name: getattr(arguments, a.name) for a in launch_arguments()})
    return up.run(options, [name for name in arguments.only.split(",") if name])
