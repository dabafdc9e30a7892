"""Trajectory optimisation: the smoothest chunk through way points that keeps to the workspace and its speed.

A convex quadratic programme (Boyd and Vandenberghe, Convex Optimization, 2004, section 4.4) over the tool's positions,
solved by the dual method of Goldfarb and Idnani (1983); turns have no limits in the contract and are least squares.
"""

import itertools
from typing import NamedTuple

import numpy as np
import quadprog
from scipy.spatial.transform import Rotation

from wam_core.contract import FloatArray
from wam_core.recovery.recovery import Foreseen, WayPoints
from wam_core.robot.contract import RobotContract, column_names
from wam_core.robot.tool_pose import tool_frames

#: What a third difference (m, rad) weighs against a miss of a fully trusted way point.
JERK = 0.3
#: What a step (m, rad) weighs: so little that it decides only where nothing else does, and the arm stays.
REST = 1e-4
#: Directions to the corners, edges and faces of a cube: a step that is short along each of them is short.
DIRECTIONS = np.array([np.divide(d, np.linalg.norm(d)) for d in itertools.product((-1, 0, 1), repeat=3) if any(d)])
#: Share of a length that steps may have along each of them so that none is longer: that of the polyhedron's corner.
SHARE = 1.0 / float(np.linalg.norm((1.0, np.sqrt(2.0) - 1.0, np.sqrt(3.0) - np.sqrt(2.0))))


class Motion(NamedTuple):
    """A chunk before it is stamped: ``values [H, len(names)]`` in ``space``."""

    space: str
    names: tuple[str, ...]
    values: FloatArray


def smooth_motion(foreseen: Foreseen, way_points: WayPoints, horizon: int) -> Motion:
    """A chunk through ``way_points``: of tool poses, or of the poses of what is held where the fingers stay closed."""
    robot = foreseen.robot
    poses = smooth_poses(robot, foreseen.pose, way_points, horizon)
    if way_points.opening is None:
        return _carried(robot, poses)
    due = np.arange(1, horizon + 1)
    known = due[horizon // len(way_points.poses) - 1 :: horizon // len(way_points.poses)]
    opening = np.interp(due, known, way_points.opening)
    names = column_names("ee_pose", robot.joints, len(robot.fingers.joints) > 0)
    return Motion("ee_pose", names, np.column_stack([poses, opening])[:, : len(names)])


def held_motion(robot: RobotContract, proprioception: FloatArray, horizon: int) -> Motion:
    """A chunk that stays where the arm is, and keeps what it holds."""
    return _carried(robot, np.tile(proprioception[:6], (horizon, 1)))


def _carried(robot: RobotContract, poses: FloatArray) -> Motion:
    """Tool poses ``[H, 6]`` as those of something that it holds, which is where the tool is."""
    rotation, position = tool_frames(robot, poses)
    held = np.hstack([position, Rotation.from_matrix(rotation).as_rotvec()])
    return Motion("tool_pose", column_names("tool_pose", robot.joints), held)


def smooth_poses(robot: RobotContract, start: FloatArray, way_points: WayPoints, horizon: int) -> FloatArray:
    """``[horizon, 6]`` ``ee_pose`` columns, one action step apart, the first one step after ``start [6]``.

    Without any trusted way point the arm stays at ``start``. A start outside the workspace is led back into it as fast
    as the speed allows.
    """
    stride = horizon // len(way_points.poses)
    trust = np.zeros(horizon)
    trust[stride - 1 :: stride] = way_points.trust
    aims = np.repeat(way_points.poses, stride, axis=0) - start
    steps = np.diff(np.eye(horizon + 1), axis=0)[:, 1:]
    jerks = np.diff(np.eye(horizon + 1), n=3, axis=0)[:, 1:]
    cost = np.diag(trust) + JERK * jerks.T @ jerks + REST * steps.T @ steps
    pull = trust[:, None] * aims
    turns = np.linalg.solve(cost, pull[:, 3:])
    return start + np.hstack([_within(robot, start[:3], cost, pull[:, :3], steps), turns])


def _within(
    robot: RobotContract, start: FloatArray, cost: FloatArray, pull: FloatArray, steps: FloatArray
) -> FloatArray:
    """Ways ``[horizon, 3]`` m from ``start`` that cost least among those within the workspace and its speed."""
    horizon, box = len(cost), robot.workspace
    reach = SHARE * box.speed * robot.step_ns * 1e-9
    returned = np.arange(1, horizon + 1)[:, None] * reach / np.sqrt(3.0)
    low = np.minimum(box.lower - start, returned)
    high = np.maximum(box.upper - start, -returned)
    walls = np.eye(3 * horizon)
    short = -np.einsum("kh,dc->kdhc", steps, DIRECTIONS).reshape(-1, 3 * horizon)
    rows = np.vstack([walls, -walls, short])
    least = np.concatenate([low.ravel(), -high.ravel(), np.full(len(short), -reach)])
    found = quadprog.solve_qp(np.kron(cost, np.eye(3)), pull.ravel(), rows.T, least)[0]
    return np.asarray(found).reshape(horizon, 3)
