"""True futures of the cell, so that a recovery is tried and not a generator: the arm is put along a path and seen."""

from functools import cache
from typing import NamedTuple

import cv2
import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from wam_core.cell.cell import Cell
from wam_core.contract import FloatArray
from wam_core.preprocess.images import ImageLayout, lay_out
from wam_core.recovery.recovery import Foreseen, WayPoints
from wam_core.robot.contract import load_robot
from wam_core.robot.geometry import Geometry
from wam_core.substrates.substrate import Scenes

ROBOT = load_robot("panda_cell")
LAYOUT = ImageLayout(("front", "side", "wrist"), 64, 64)
GEOMETRY = Geometry(ROBOT, LAYOUT)
#: From a place above the table: 10 cm to the side, 9 cm down, 2 cm back, and a turn of 5 degrees.
BEGIN = np.array([0.05, -0.10, 0.0, -2.45, 0.0, 2.35, 0.785])
WAY = np.array([0.22, 0.21, 0.0, -0.02, 0.03, 0.17, 0.14])


class Truth(NamedTuple):
    """What was foreseen, and the tool's poses ``[T, 6]`` in it."""

    foreseen: Foreseen
    poses: FloatArray


@cache
def truth(layout: ImageLayout = LAYOUT, instants: int = 8) -> Truth:
    """The arm on its way over two blocks and two zones."""
    cell = Cell(ROBOT)
    cell.reset("push", 3)
    images, poses = [], []
    channels = {}
    for share in np.linspace(0.0, 1.0, instants + 1):
        put(cell, BEGIN + share * WAY)
        poses.append(cell.tool_pose())
        images.append(lay_out(ROBOT, {name: cell.image(name) for name in layout.cameras}, layout))
        if not channels:
            channels = {"proprioception": poses[0][None], "depth": laid_out(layout, cell.depth)[None]}
    geometry = GEOMETRY if layout == LAYOUT else Geometry(ROBOT, layout)
    foreseen = Foreseen(Scenes(np.array(images[:1]), channels), np.array(images[1:]), geometry, ROBOT)
    return Truth(foreseen, np.array(poses)[1:, :6])


def put(cell: Cell, joints: FloatArray) -> None:
    """The arm at ``joints``, at once."""
    cell.scene.data.qpos[: len(joints)] = joints
    mujoco.mj_forward(cell.scene.model, cell.scene.data)


def laid_out(layout: ImageLayout, of) -> np.ndarray:  # type: ignore[no-untyped-def]
    """What ``of`` says of each camera, a pixel for a pixel."""
    made = np.empty(layout.size, np.float32)
    for name, (top, left, height, width) in layout.regions.items():
        tile = cv2.resize(of(name), (width, height), interpolation=cv2.INTER_NEAREST)
        made[top : top + height, left : left + width] = tile
    return made


def misses(found: WayPoints, poses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``[T]`` mm and ``[T]`` degrees."""
    turns = Rotation.from_rotvec(found.poses[:, 3:]).inv() * Rotation.from_rotvec(poses[:, 3:])
    return 1e3 * np.linalg.norm(found.poses[:, :3] - poses[:, :3], axis=1), np.degrees(turns.magnitude())
