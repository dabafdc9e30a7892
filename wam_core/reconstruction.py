"""An imagined scene in space: pictures and depth of all cameras as one coloured cloud for each predicted instant."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wam_core.contract import ActionChunk, FloatArray, Future
from wam_core.preprocess.images import ImageLayout
from wam_core.robot.body import Body
from wam_core.robot.contract import RobotContract
from wam_core.robot.geometry import Geometry
from wam_core.robot.kinematics import Kinematics
from wam_core.robot.tool_pose import encode_tool_pose


def reconstructed(robot: Body, layout: ImageLayout, chunk: ActionChunk, futures: Sequence[Future]) -> Future | None:
    """The cloud of a chunk's ``video`` and ``depth``, or of its ``rgbd`` or ``rgbdn``; None where neither was imagined,
    or the robot does not say how its cameras see.

    Each camera is where the chunk's tool pose puts it at that instant. Values are float32 ``[T, H, W*, 6]``: x y z (m,
    base frame; NaN where nothing is) and RGB 0..1 of each pixel.

    Raises:
        ContractError: a camera is not fixed to base or tool.
    """
    if not isinstance(robot, RobotContract) or any(robot.camera(name).lens is None for name in layout.cameras):
        return None
    shown = {future.substrate: np.asarray(future.values, np.float32) for future in futures}
    layers = next((shown[kind] for kind in ("rgbd", "rgbdn") if kind in shown), None)
    if layers is not None:
        colour, depth = layers[..., :3], layers[..., 3]
    elif {"video", "depth"} <= shown.keys() and len(shown["video"]) == len(shown["depth"]):
        colour, depth = shown["video"] / 255.0, shown["depth"]
    else:
        return None
    of = next(f for f in futures if f.substrate in ("rgbd", "rgbdn", "depth"))
    points = Geometry(robot, layout).unproject(depth, tool_poses(robot, chunk, of))
    values = np.concatenate((points, colour), axis=-1).astype(np.float32)
    return replace(of, substrate="cloud", values=values)


def tool_poses(robot: RobotContract, chunk: ActionChunk, future: Future) -> FloatArray:
    """``[T, D]`` proprioception at the instants of a future, if the chunk is carried out."""
    poses = Kinematics(robot).tool_poses(chunk)
    due = [future.stamp_ns + (k + 1) * future.step_ns for k in range(len(future.values))]
    steps = [min(max(round((stamp - chunk.start_ns) / chunk.step_ns), 0), len(poses) - 1) for stamp in due]
    half = robot.fingers.posture(0.5)
    return np.stack([encode_tool_pose(robot, *poses[step], half) for step in steps])
