"""From any action space, and from another arm, to what this arm is controlled in: joint positions or tool poses, and
finger positions. One table of spaces.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from wam_core.contract import ActionChunk, FloatArray
from wam_core.errors import ContractError
from wam_core.executor.hand import HandFit, grasp_pose
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics

#: Spaces whose first step says where something is that is held; all others that are relative begin one step earlier.
HELD_SPACES = ("tool_pose", "object_points")
#: Points on a line do not say how the object is turned; this much off it they do (m).
LEAST_SPREAD = 1e-3


class Anchor(NamedTuple):
    """Where the arm is told to be when a relative chunk begins: joints ``[J]`` (rad), fingers ``[K]`` (rad, m)."""

    q: FloatArray
    fingers: FloatArray


class Course(NamedTuple):
    """A chunk in a tracked space: arm columns ``[H, J or 6]`` and finger positions ``[H, K]``."""

    space: str
    arm: FloatArray
    fingers: FloatArray


class Poses(NamedTuple):
    """Tool in the base frame: rotations ``[H, 3, 3]``, positions ``[H, 3]`` m."""

    rotation: FloatArray
    position: FloatArray


class Body:
    """One arm as chunks see it. Not thread-safe: it owns Pinocchio workspaces."""

    def __init__(self, robot: RobotContract) -> None:
        self.robot = robot
        self.kinematics = Kinematics(robot)
        self.reference = pin.rpy.rpyToMatrix(*robot.tool_reference_rpy)
        self.home = self.kinematics.tool(robot.home)[1]
        self.hand = HandFit(robot) if robot.fingers.tips else None

    def poses(self, joints: FloatArray) -> Poses:
        """Forward kinematics of joint positions ``[H, J]``."""
        tools = [self.kinematics.tool(np.ascontiguousarray(row)) for row in joints]
        return Poses(np.array([r for r, _ in tools]), np.array([p for _, p in tools]))

    def decode(self, rows: FloatArray) -> Poses:
        """``ee_pose`` rows ``[H, 6]``."""
        return Poses(self.reference @ Rotation.from_rotvec(rows[:, 3:6]).as_matrix(), rows[:, :3])

    def encode(self, poses: Poses) -> FloatArray:
        """``ee_pose`` rows ``[H, 6]``; inverse of :meth:`decode`."""
        turns = Rotation.from_matrix(self.reference.T @ poses.rotation).as_rotvec()
        return np.hstack([poses.position, turns])

    def openings(self, values: FloatArray, first: int, anchor: Anchor) -> FloatArray:
        """Finger positions ``[H, K]`` of the opening in column ``first``; those of the anchor where there is none."""
        if values.shape[1] <= first or not self.robot.fingers.joints:
            return np.tile(anchor.fingers, (len(values), 1))
        return np.array([self.robot.fingers.posture(float(opening)) for opening in values[:, first]])


def _joint_position(chunk: ActionChunk, body: Body, anchor: Anchor) -> Course:
    joints = len(body.robot.joints)
    return Course("joint_position", chunk.values[:, :joints], body.openings(chunk.values, joints, anchor))


def _joint_velocity(chunk: ActionChunk, body: Body, anchor: Anchor) -> Course:
    return _joint_sum(chunk, body, anchor, chunk.step_ns * 1e-9)


def _joint_delta(chunk: ActionChunk, body: Body, anchor: Anchor) -> Course:
    return _joint_sum(chunk, body, anchor, 1.0)


def _joint_sum(chunk: ActionChunk, body: Body, anchor: Anchor, factor: float) -> Course:
    joints = len(body.robot.joints)
    course = anchor.q + factor * np.cumsum(chunk.values[:, :joints], axis=0)
    within = np.clip(course, body.robot.limits.lower, body.robot.limits.upper)
    return Course("joint_position", within, body.openings(chunk.values, joints, anchor))


def _ee_pose(chunk: ActionChunk, body: Body, anchor: Anchor) -> Course:
    return Course("ee_pose", chunk.values[:, :6], body.openings(chunk.values, 6, anchor))


def _ee_delta(chunk: ActionChunk, body: Body, anchor: Anchor) -> Course:
    rotation, position = body.kinematics.tool(anchor.q)
    turns = Rotation.from_rotvec(chunk.values[:, 3:6]).as_matrix()
    rotations = []
    for turn in turns:
        rotation = turn @ rotation
        rotations.append(rotation)
    poses = Poses(np.array(rotations), position + np.cumsum(chunk.values[:, :3], axis=0))
    return Course("ee_pose", body.encode(poses), body.openings(chunk.values, 6, anchor))


def _ee_delta_tool(chunk: ActionChunk, body: Body, anchor: Anchor) -> Course:
    rotation, position = body.kinematics.tool(anchor.q)
    steps = []
    for way, turn in zip(chunk.values[:, :3], Rotation.from_rotvec(chunk.values[:, 3:6]).as_matrix(), strict=True):
        rotation, position = rotation @ turn, position + rotation @ way
        steps.append((rotation, position))
    poses = Poses(np.array([r for r, _ in steps]), np.array([p for _, p in steps]))
    return Course("ee_pose", body.encode(poses), body.openings(chunk.values, 6, anchor))


def _tool_pose(chunk: ActionChunk, body: Body, anchor: Anchor) -> Course:
    return _carried(Rotation.from_rotvec(chunk.values[:, 3:6]).as_matrix(), chunk.values[:, :3], body, anchor)


def _object_points(chunk: ActionChunk, body: Body, anchor: Anchor) -> Course:
    points = chunk.values.reshape(len(chunk.values), -1, 3)
    centres = points.mean(axis=1)
    rotations = rigid_rotations(points - centres[:, None])
    return _carried(rotations, centres, body, anchor)


def _carried(rotations: FloatArray, positions: FloatArray, body: Body, anchor: Anchor) -> Course:
    """The tool moves as what it holds: rigidly, from where it is at the first step."""
    rotation, position = body.kinematics.tool(anchor.q)
    turns = rotations @ rotations[0].T
    poses = Poses(turns @ rotation, positions + (turns @ (position - positions[0])))
    return Course("ee_pose", body.encode(poses), np.tile(anchor.fingers, (len(positions), 1)))


def rigid_rotations(points: FloatArray) -> FloatArray:
    """``[H, 3, 3]``: the rotation that best brings centred points ``[H, N, 3]`` (m) of row 0 to each row (Kabsch 1976).

    Raises:
        ContractError: the points of a row lie on one line.
    """
    left, spread, right = np.linalg.svd(np.einsum("ni,hnj->hij", points[0], points))
    if spread[:, 1].min() < LEAST_SPREAD**2:
        row = int(spread[:, 1].argmin())
        raise ContractError(f"chunk.values[{row}]", points[row].tolist(), "points that are not on one line")
    mirrored = np.linalg.det(left @ right) < 0.0
    left[mirrored, :, 2] *= -1.0
    return np.swapaxes(left @ right, 1, 2)


def _hand_keypoints(chunk: ActionChunk, body: Body, anchor: Anchor) -> Course:
    points = chunk.values.reshape(len(chunk.values), 21, 3)
    rotation, _ = body.kinematics.tool(anchor.q)
    hand = [grasp_pose(row, k, body.hand) for k, row in enumerate(points)]
    poses = Poses(np.array([h.rotation for h in hand]), np.array([h.position for h in hand]))
    if body.hand is None:  # fingers that slide are alike: of the two ways to hold them, the nearer one
        if np.trace(rotation.T @ poses.rotation[0]) < np.trace(rotation.T @ poses.rotation[0] @ HALF_TURN):
            poses = Poses(poses.rotation @ HALF_TURN, poses.position)
        fingers = body.openings(np.array([[h.opening] for h in hand]), 0, anchor)
    else:
        fingers = body.hand.follow(points, anchor.fingers)
    return Course("ee_pose", body.encode(poses), fingers)


HALF_TURN: NDArray[np.float64] = np.diag([-1.0, -1.0, 1.0])

RESOLVERS: Mapping[str, Callable[[ActionChunk, Body, Anchor], Course]] = {
    "joint_position": _joint_position,
    "joint_velocity": _joint_velocity,
    "joint_delta": _joint_delta,
    "ee_pose": _ee_pose,
    "ee_delta": _ee_delta,
    "ee_delta_tool": _ee_delta_tool,
    "tool_pose": _tool_pose,
    "object_points": _object_points,
    "hand_keypoints": _hand_keypoints,
}

#: Spaces that another arm's chunk may be in.
FOREIGN_SPACES = ("joint_position", "ee_pose", "ee_delta", "ee_delta_tool")


def anchor_ns(chunk: ActionChunk) -> int:
    """The instant of the :class:`Anchor` of ``chunk``."""
    return chunk.start_ns - (0 if chunk.space in HELD_SPACES else chunk.step_ns)


class Resolver:
    """Resolves chunks for one arm, its own and those of ``others``. Not thread-safe."""

    def __init__(self, robot: RobotContract, others: Mapping[str, RobotContract]) -> None:
        self._body = Body(robot)
        self._others = {name: Body(other) for name, other in others.items()}

    def __call__(self, chunk: ActionChunk, anchor: Anchor) -> ActionChunk:
        """``chunk`` in a tracked space, its last ``K`` columns finger positions.

        Another arm's chunk goes through that arm's kinematics: its tool's motion about its home becomes this one's,
        made smaller where this arm's workspace is smaller; fingers open by the same share.

        Raises:
            ContractError: the points of an object or a hand do not determine a pose.
        """
        if chunk.robot in self._others:
            chunk = transferred(chunk, self._others[chunk.robot], self._body)
        course = RESOLVERS[chunk.space](chunk, self._body, anchor)
        return replace(chunk, space=course.space, names=(), values=np.hstack([course.arm, course.fingers]))


def transferred(chunk: ActionChunk, source: Body, body: Body) -> ActionChunk:
    """A chunk of ``source`` in a space of :data:`FOREIGN_SPACES` as the same or an ``ee_pose`` chunk of ``body``."""
    scale = reach_scale(source.robot, body.robot)
    if chunk.space in ("ee_delta", "ee_delta_tool"):
        shorter = np.append(np.full(3, scale), np.ones(chunk.values.shape[1] - 3))
        return replace(chunk, robot="", values=chunk.values * shorter)
    arm = len(source.robot.joints) if chunk.space == "joint_position" else 6
    poses = (source.poses if chunk.space == "joint_position" else source.decode)(chunk.values[:, :arm])
    moved = Poses(poses.rotation, body.home + scale * (poses.position - source.home))
    return replace(chunk, robot="", space="ee_pose", values=np.hstack([body.encode(moved), chunk.values[:, arm:]]))


def reach_scale(source: RobotContract, robot: RobotContract) -> float:
    """How much smaller the motions of ``source`` become for ``robot``: by the narrowest side of the workspace boxes, at
    most 1."""
    sizes = [r.workspace.upper - r.workspace.lower for r in (robot, source)]
    return min(1.0, float(np.min(sizes[0] / sizes[1])))
