"""The ``ee_pose`` vector: position, rotation vector from the tool reference, opening fraction of the fingers."""

import numpy as np
from scipy.spatial.transform import Rotation

from wam_core.contract import FloatArray
from wam_core.robot.contract import RobotContract


def encode_tool_pose(
    robot: RobotContract, rotation: FloatArray, position: FloatArray, fingers: FloatArray
) -> FloatArray:
    """Return ``[7]``: x y z (m), rotation vector of ``R_ref^T R`` (rad), opening 0..1; ``[6]`` without fingers.

    Args:
        rotation: ``[3, 3]`` tool in base frame.
        position: ``[3]`` m, base frame.
        fingers: ``[K]`` positions of the finger joints.
    """
    reference = Rotation.from_euler("xyz", robot.tool_reference_rpy)
    vector = (reference.inv() * Rotation.from_matrix(rotation)).as_rotvec()
    return np.concatenate([position, vector, robot.fingers.opening(fingers)])


def decode_tool_pose(robot: RobotContract, pose: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Inverse of :func:`encode_tool_pose`: ``(R [3, 3], p [3], fingers [K])``."""
    rotation, position = tool_frames(robot, pose)
    opening = float(pose[6]) if robot.fingers.joints else 1.0
    return rotation, position, robot.fingers.posture(opening)


def tool_frames(robot: RobotContract, poses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``(R [..., 3, 3], p [..., 3] m)`` of the tool in the base frame at ``poses [..., 6 or 7]``."""
    reference = Rotation.from_euler("xyz", robot.tool_reference_rpy)
    vectors = poses[..., 3:6]
    rotations = (reference * Rotation.from_rotvec(vectors.reshape(-1, 3))).as_matrix()
    return rotations.reshape(*vectors.shape[:-1], 3, 3), poses[..., :3].copy()


def tool_vectors(robot: RobotContract, rotations: FloatArray, positions: FloatArray) -> FloatArray:
    """``[N, 6]`` ``ee_pose`` columns of the tool at ``rotations [N, 3, 3]``, ``positions [N, 3]`` m; see
    :func:`tool_frames`."""
    reference = Rotation.from_euler("xyz", robot.tool_reference_rpy)
    return np.hstack([positions, (reference.inv() * Rotation.from_matrix(rotations)).as_rotvec()])
