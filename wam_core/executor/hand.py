"""A human hand's 21 key points: where a tool would be, how far it would be open, and a robot hand's joints.

Fingertips are fitted relative to their knuckles, each finger at its own length, and relative to the thumb where the
human pinches: the objective of DexPilot (Handa et al., ICRA 2020) and AnyTeleop (Qin et al., RSS 2023).
"""

from typing import NamedTuple

import numpy as np
import pinocchio as pin

from wam_core.contract import FloatArray
from wam_core.errors import ContractError
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract
from wam_core.robot.fingers import HAND_FINGERS

WRIST, INDEX_KNUCKLE, MIDDLE_KNUCKLE, RING_KNUCKLE, PINKY_KNUCKLE = 0, 5, 9, 13, 17
THUMB_TIP, INDEX_TIP = 4, 8
#: A palm, from wrist to middle knuckle, is longer than this; anything less is no hand (m).
LEAST_PALM = 0.02
#: Distance of thumb and index tip, in palm lengths, that means closed and open.
CLOSED, OPEN = 0.2, 1.1
#: Below this distance of a fingertip to the thumb, in palm lengths, their relation counts, at most ``PINCH`` times.
NEAR, PINCH = 0.6, 6.0
#: Weight (m per rad) that keeps joints where they were when nothing else says where to go.
REST = 2e-3
FIRST_ITERATIONS, ITERATIONS = 30, 8


class GraspPose(NamedTuple):
    """Tool in the base frame (``[3, 3]``, ``[3]`` m) and opening 0..1."""

    rotation: FloatArray
    position: FloatArray
    opening: float


def hand_frame(points: FloatArray, row: int) -> FloatArray:
    """``[3, 3]`` axes of a right hand ``[21, 3]``: z from wrist to middle knuckle, y where the palm looks.

    Raises:
        ContractError: the points are no hand.
    """
    along = points[MIDDLE_KNUCKLE] - points[WRIST]
    looks = np.cross(points[INDEX_KNUCKLE] - points[PINKY_KNUCKLE], along)
    if np.linalg.norm(along) < LEAST_PALM or np.linalg.norm(looks) < LEAST_PALM**2:
        raise ContractError(f"chunk.values[{row}]", points[[WRIST, MIDDLE_KNUCKLE]].tolist(), "the points of a hand")
    z, y = along / np.linalg.norm(along), looks / np.linalg.norm(looks)
    return np.stack([np.cross(y, z), y, z], axis=1)


def grasp_pose(points: FloatArray, row: int, hand: "HandFit | None") -> GraspPose:
    """The tool between thumb and index tip of ``points [21, 3]`` (m), or with the knuckles of ``hand`` at the human's.

    Raises:
        ContractError: the points are no hand.
    """
    rotation = hand_frame(points, row)
    palm = np.linalg.norm(points[MIDDLE_KNUCKLE] - points[WRIST])
    gap = np.linalg.norm(points[THUMB_TIP] - points[INDEX_TIP]) / palm
    opening = float(np.clip((gap - CLOSED) / (OPEN - CLOSED), 0.0, 1.0))
    if hand is None:
        return GraspPose(rotation, 0.5 * (points[THUMB_TIP] + points[INDEX_TIP]), opening)
    knuckles = points[[INDEX_KNUCKLE, MIDDLE_KNUCKLE, RING_KNUCKLE]].mean(axis=0)
    return GraspPose(rotation, knuckles - rotation @ hand.knuckles, opening)


class HandFit:
    """Joints of a robot hand that follow a human's. Not thread-safe: it owns one Pinocchio workspace.

    Attributes:
        knuckles: ``[3]`` m, mean of where the fingers but the thumb begin, in the tool frame.
    """

    def __init__(self, robot: RobotContract) -> None:
        fingers = robot.fingers
        full = pin.buildModelFromUrdf(str(share_path(robot.urdf)))
        posture = pin.neutral(full)
        for name, angle in zip(robot.joints, robot.home, strict=True):
            posture[full.joints[full.getJointId(name)].idx_q] = angle
        arm = [i for i in range(1, full.njoints) if full.names[i] not in fingers.joints]
        self._model = pin.buildReducedModel(full, arm, posture)
        self._data = self._model.createData()
        self._order = np.array([self._model.joints[self._model.getJointId(name)].idx_q for name in fingers.joints])
        self._lower, self._upper = fingers.lower, fingers.upper
        self._fingers = tuple(fingers.tips)
        self._tips = [self._frame(name) for name in fingers.tips.values()]
        pin.framesForwardKinematics(self._model, self._data, pin.neutral(self._model))
        tool = self._data.oMf[self._frame(robot.tool_frame)]
        chains = [self._chain(tip) for tip in self._tips]
        self._axes = tool.rotation.copy()
        self._bases = np.array([self._data.oMi[chain[0]].translation for chain in chains])
        self._lengths = np.array([self._length(chain, tip) for chain, tip in zip(chains, self._tips, strict=True)])
        across = [k for k, finger in enumerate(self._fingers) if finger != "thumb"]
        self.knuckles = tool.actInv(self._bases[across].mean(axis=0))

    def follow(self, points: FloatArray, start: FloatArray) -> FloatArray:
        """Joint positions ``[H, K]`` for key points ``[H, 21, 3]`` (m, any frame), searched from ``start [K]``.

        Raises:
            ContractError: the points of a row are no hand.
        """
        out, now = [], start
        for row, hand in enumerate(points):
            now = self._fit(hand @ hand_frame(hand, row), now, ITERATIONS if row else FIRST_ITERATIONS)
            out.append(now)
        return np.array(out)

    def _fit(self, hand: FloatArray, start: FloatArray, iterations: int) -> FloatArray:
        """Bounded Gauss-Newton; ``hand [21, 3]`` in its own axes, which are those of the tool."""
        palm = np.linalg.norm(hand[MIDDLE_KNUCKLE] - hand[WRIST])
        rows = [HAND_FINGERS[finger] for finger in self._fingers]
        human = [float(np.linalg.norm(np.diff(hand[list(row)], axis=0), axis=1).sum()) for row in rows]
        scale = self._lengths / np.maximum(human, 1e-3)
        reach = np.array([hand[row[-1]] - hand[row[0]] for row in rows]) @ self._axes.T
        goals = self._bases + scale[:, None] * reach
        thumb = self._fingers.index("thumb") if "thumb" in self._fingers else None
        q = start
        for _ in range(iterations):
            tips, jacobians = self._reached(q)
            errors, slopes = [goals - tips], [jacobians]
            if thumb is not None:
                gaps = np.array([hand[row[-1]] - hand[THUMB_TIP] for row in rows])
                near = PINCH * np.clip(1.0 - np.linalg.norm(gaps, axis=1) / (NEAR * palm), 0.0, 1.0)
                near[thumb] = 0.0
                apart = gaps @ self._axes.T - (tips - tips[thumb])
                errors.append(near[:, None] * apart)
                slopes.append(near[:, None, None] * (jacobians - jacobians[thumb]))
            error = np.concatenate([np.concatenate(errors).reshape(-1), REST * (start - q)])
            slope = np.vstack([np.concatenate(slopes).reshape(-1, len(q)), REST * np.eye(len(q))])
            step = np.linalg.solve(slope.T @ slope, slope.T @ error)
            q = np.clip(q + step * min(1.0, 0.3 / max(float(np.abs(step).max()), 1e-9)), self._lower, self._upper)
        return q

    def _reached(self, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Tips ``[F, 3]`` and their derivatives ``[F, 3, K]``."""
        full = np.empty(len(q))
        full[self._order] = q
        pin.computeJointJacobians(self._model, self._data, full)
        pin.updateFramePlacements(self._model, self._data)
        frames = pin.LOCAL_WORLD_ALIGNED
        slopes = [pin.getFrameJacobian(self._model, self._data, tip, frames)[:3, self._order] for tip in self._tips]
        return np.array([self._data.oMf[tip].translation for tip in self._tips]), np.array(slopes)

    def _frame(self, name: str) -> int:
        if not self._model.existFrame(name):
            raise ContractError("robot.hand.tips", name, "a frame of the URDF")
        return int(self._model.getFrameId(name))

    def _chain(self, tip: int) -> list[int]:
        """Joints from the palm to the tip."""
        chain, joint = [], int(self._model.frames[tip].parentJoint)
        while joint > 0:
            chain.append(joint)
            joint = int(self._model.parents[joint])
        return chain[::-1]

    def _length(self, chain: list[int], tip: int) -> float:
        links = [self._model.jointPlacements[joint].translation for joint in chain[1:]]
        return float(sum(np.linalg.norm(v) for v in (*links, self._model.frames[tip].placement.translation)))
