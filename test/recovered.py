"""True futures of the cell, so that a recovery is tried and not a generator: the arm is put along a path and seen."""

from functools import cache
from typing import NamedTuple

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from wam_core.cell.cell import Cell
from wam_core.contract import FloatArray
from wam_core.preprocess.images import ImageLayout, lay_out
from wam_core.preprocess.senses import channels_of, needed_senses
from wam_core.recovery.recovery import Foreseen, WayPoints
from wam_core.robot.geometry import Geometry
from wam_core.robot.robot_file import load_robot
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
    return _seen(layout, instants, "push", held=False)


@cache
def carried(layout: ImageLayout, instants: int) -> Truth:
    """The same with a cube between the fingers."""
    return _seen(layout, instants, "pick_place", held=True)


def _seen(layout: ImageLayout, instants: int, task: str, held: bool) -> Truth:
    cell = Cell(ROBOT)
    cell.reset(task, 3)
    names = [sense.name for sense in needed_senses(ROBOT, ("depth", "object"), layout)]
    images, poses, channels = [], [], {}
    for share in np.linspace(0.0, 1.0, instants + 1):
        put(cell, BEGIN + share * WAY, held)
        poses.append(cell.tool_pose())
        images.append(lay_out(ROBOT, {name: cell.image(name) for name in layout.cameras}, layout))
        if not channels:
            sensed = channels_of(ROBOT, ("depth", "object"), {name: cell.sense(name) for name in names}, layout)
            channels = {name: values[None] for name, values in sensed.items()} | {"proprioception": poses[0][None]}
    geometry = GEOMETRY if layout == LAYOUT else Geometry(ROBOT, layout)
    foreseen = Foreseen(Scenes(np.array(images[:1]), channels), np.array(images[1:]), geometry, ROBOT)
    return Truth(foreseen, np.array(poses)[1:, :6])


def put(cell: Cell, joints: FloatArray, held: bool) -> None:
    """The arm at ``joints``, at once, and the object between its fingers if it is held."""
    data, fingers = cell.scene.data, [0.02, 0.02] if held else [0.04, 0.04]
    data.qpos[: len(joints) + 2] = [*joints, *fingers]
    mujoco.mj_forward(cell.scene.model, data)
    if held:
        cell.scene.place(cell.goal.subject, cell.scene.tool_position(), -float(cell.tool_pose()[5]))
        mujoco.mj_forward(cell.scene.model, data)


def misses(found: WayPoints, poses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``[T]`` mm and ``[T]`` degrees."""
    turns = Rotation.from_rotvec(found.poses[:, 3:]).inv() * Rotation.from_rotvec(poses[:, 3:])
    return 1e3 * np.linalg.norm(found.poses[:, :3] - poses[:, :3], axis=1), np.degrees(turns.magnitude())
