"""The ``ee_pose`` vector: position, rotation vector from the tool reference, gripper opening fraction."""

import numpy as np
from scipy.spatial.transform import Rotation

from wam_core.contract import FloatArray
from wam_core.robot.contract import RobotContract


def encode_tool_pose(robot: RobotContract, rotation: FloatArray, position: FloatArray, finger: float) -> FloatArray:
    """Return ``[7]``: x y z (m), rotation vector of ``R_ref^T R`` (rad), gripper fraction.

    Args:
        rotation: ``[3, 3]`` tool in base frame.
        position: ``[3]`` m, base frame.
        finger: gripper joint position in m.
    """
    reference = Rotation.from_euler("xyz", robot.tool_reference_rpy)
    vector = (reference.inv() * Rotation.from_matrix(rotation)).as_rotvec()
    span = robot.gripper.open - robot.gripper.closed
    return np.concatenate([position, vector, [(finger - robot.gripper.closed) / span]])


def decode_tool_pose(robot: RobotContract, pose: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Inverse of :func:`encode_tool_pose`: ``(R [3, 3], p [3], finger m)``."""
    reference = Rotation.from_euler("xyz", robot.tool_reference_rpy)
    rotation = (reference * Rotation.from_rotvec(pose[3:6])).as_matrix()
    span = robot.gripper.open - robot.gripper.closed
    return rotation, pose[:3].copy(), float(robot.gripper.closed + span * pose[6])
