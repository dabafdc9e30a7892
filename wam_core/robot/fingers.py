"""What an arm carries: nothing, a gripper of one joint, or a hand of several. One scalar opening moves any of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from wam_core.contract import FloatArray

#: Fingers of a human hand and the rows of its 21 key points, from knuckle to tip.
HAND_FINGERS: Mapping[str, tuple[int, int, int, int]] = {
    "thumb": (1, 2, 3, 4),
    "index": (5, 6, 7, 8),
    "middle": (9, 10, 11, 12),
    "ring": (13, 14, 15, 16),
    "pinky": (17, 18, 19, 20),
}


@dataclass(frozen=True)
class Gripper:
    """Fingers that one joint drives: m and N for a joint that slides, rad and N m for a jaw that turns.

    Attributes:
        closed, open: joint position at opening 0 and 1.
        velocity, force: greatest, per s and N (N m).
        stiffness, damping: of the position control, N/m and N s/m (N m/rad, N m s/rad).
    """

    joint: str
    closed: float
    open: float
    velocity: float
    force: float
    stiffness: float = 1000.0
    damping: float = 10.0


@dataclass(frozen=True)
class Fingers:
    """All joints beyond the arm, ``[K]`` each, in the units of :class:`Gripper`; K is 0 for an arm that carries
    nothing.

    An opening between 0 and 1 lies on the straight line from the posture ``closed`` to the posture ``open``, which are
    within ``lower`` and ``upper``. ``tips`` are the URDF's frames at the ends of the fingers, by the human finger that
    each stands for (:data:`HAND_FINGERS`); with them the fingers follow those of a hand.
    """

    joints: tuple[str, ...]
    lower: FloatArray
    upper: FloatArray
    closed: FloatArray
    open: FloatArray
    velocity: FloatArray
    force: FloatArray
    stiffness: FloatArray
    damping: FloatArray
    tips: Mapping[str, str] = field(default_factory=dict)

    def posture(self, opening: float) -> FloatArray:
        """``[K]`` joint positions at ``opening``, which is not clipped."""
        return self.closed + opening * (self.open - self.closed)

    def opening(self, position: FloatArray) -> FloatArray:
        """Opening of measured joint positions ``[K]``: ``[1]``, the mean over the joints that open and close, or
        ``[0]`` for an arm that carries nothing."""
        span = self.open - self.closed
        moving = span != 0.0
        if not moving.any():
            return np.zeros(0)
        return np.mean((position[moving] - self.closed[moving]) / span[moving], keepdims=True)


def of_gripper(gripper: Gripper | None) -> Fingers:
    """The one joint of ``gripper``, or no joint."""
    if gripper is None:
        nothing = np.zeros(0)
        return Fingers((), nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing)
    closed, opened = np.array([gripper.closed]), np.array([gripper.open])
    return Fingers(
        joints=(gripper.joint,),
        lower=np.minimum(closed, opened),
        upper=np.maximum(closed, opened),
        closed=closed,
        open=opened,
        velocity=np.array([gripper.velocity]),
        force=np.array([gripper.force]),
        stiffness=np.array([gripper.stiffness]),
        damping=np.array([gripper.damping]),
    )
