"""A maker's URDF as one that wam simulates and keeps from colliding: a box for each mesh, ends for continuous joints.

Boxes are as large as the meshes along their axes. Where one is too fat (SELF_COLLISION at poses that are fine), write
smaller boxes, cylinders or spheres by hand.
"""

import argparse
from pathlib import Path

from wam_core.robot.maker_urdf import TURN, simplified


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="the maker's URDF; of a xacro file, what `xacro` makes of it")
    parser.add_argument("--packages", type=Path, default=Path(), help="folder in which packages of package:// lie")
    parser.add_argument("--out", type=Path, required=True, help="file.urdf to write, e.g. urdf/my_arm.urdf")


def run(arguments: argparse.Namespace) -> int:
    made = simplified(arguments.source, arguments.packages)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(made.text)
    for link, boxes in made.boxes.items():
        print(f"{link}: " + ", ".join(f"box of {x:.3f} x {y:.3f} x {z:.3f} m" for x, y, z in boxes))
    if made.ended:
        print(f"continuous joints end at {TURN} rad on both sides now: {', '.join(made.ended)}")
    print(arguments.out)
    return 0
