"""Plausible: whether the arm can do what a chunk says."""

import numpy as np
import pinocchio as pin
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from wam_core.contract import ActionChunk, FloatArray
from wam_core.evaluation.properties.finding import Finding
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics

#: A pose that joints within their limits come this near to is reached: m and rad.
NEAR_M, NEAR_RAD = 0.01, 0.1


def plausible(robot: RobotContract, chunk: ActionChunk) -> Finding:
    """Steps of a chunk whose tool is within the workspace box, and those that joints within their limits reach."""
    kinematics = Kinematics(robot)
    poses = _held(chunk) if chunk.space == "tool_pose" else kinematics.tool_poses(chunk)
    if not poses:
        return Finding("plausible", None, f"a chunk of {chunk.space} says nothing of the tool")
    box = robot.workspace
    inside = sum(bool(np.all((p >= box.lower) & (p <= box.upper))) for _, p in poses)
    reached, q = 0, robot.home
    for rotation, position in poses:
        q, off = nearest(robot, kinematics, q, rotation, position)
        reached += bool(np.linalg.norm(off[:3]) < NEAR_M and np.linalg.norm(off[3:]) < NEAR_RAD)
    many = len(poses)
    found = f"{inside} of {many} steps in the workspace, {reached} reached within joint limits"
    return Finding("plausible", inside == reached == many, found)


def _held(chunk: ActionChunk) -> list[tuple[FloatArray, FloatArray]]:
    """``(R, p)`` of what the tool holds, which is the tool itself where a chunk is recovered."""
    turns = Rotation.from_rotvec(chunk.values[:, 3:6]).as_matrix()
    return list(zip(turns, chunk.values[:, :3], strict=True))


def nearest(
    robot: RobotContract, kinematics: Kinematics, begin: FloatArray, rotation: FloatArray, position: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Joints ``[J]`` within their limits that bring the tool nearest to a pose, and what is left ``[6]`` (m, rad)."""

    def left(q: FloatArray) -> FloatArray:
        turned, place = kinematics.tool(q)
        return np.concatenate([place - position, pin.log3(rotation.T @ turned)])

    arm = len(robot.joints)
    lower, upper = robot.limits.lower[:arm], robot.limits.upper[:arm]
    found = least_squares(left, np.clip(begin, lower + 1e-6, upper - 1e-6), bounds=(lower, upper), max_nfev=40)
    return found.x, left(found.x)
