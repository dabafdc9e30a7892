"""See a recording, or the running graph, in Rerun: cameras, imagination, the robot, its plan, limits, events, timings.

Without --out the viewer is opened. With --out file.rrd everything goes into that file, which `rerun file.rrd` opens on
any machine, the layout with it. Needs no ROS for recordings, and no ROS tools at all.
"""

import argparse
from pathlib import Path

from wam_core.errors import ContractError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=Path, nargs="?", help="MCAP file or rosbag2 folder; none: the running graph")
    parser.add_argument("--out", type=Path, help="file.rrd instead of the viewer")
    parser.add_argument("--robot", default="panda_cell", help="robot file of the running graph")
    parser.add_argument("--seconds", type=float, default=0.0, help="of the running graph; 0: until Ctrl-C")


def run(arguments: argparse.Namespace) -> int:
    if arguments.out is not None and arguments.out.suffix != ".rrd":
        raise ContractError("out", str(arguments.out), "a file that ends in .rrd")
    # Rerun is an extra; whoever does not look need not have it.
    from wam_core.viewing.feed import play
    from wam_core.viewing.view import View

    def begin(view: View) -> None:
        view.open() if arguments.out is None else view.save(arguments.out)

    if arguments.recording is None:
        from wam_ros.live_view import watch

        count = watch(arguments.robot, begin, arguments.seconds)
    else:
        count = play(arguments.recording, begin)
    print(f"{arguments.out or 'the viewer'}: {count} messages")
    return 0
