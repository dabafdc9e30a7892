"""What an arm carries: nothing, a gripper of one joint, or a hand of several. One scalar opening moves any of them."""

from dataclasses import dataclass

import numpy as np

from wam_core.contract import FloatArray


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
    within ``lower`` and ``upper``.
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
        return Fingers((), *(np.zeros(0) for _ in range(8)))
    one = [np.array([v]) for v in (gripper.closed, gripper.open)]
    drive = (gripper.velocity, gripper.force, gripper.stiffness, gripper.damping)
    return Fingers((gripper.joint,), np.minimum(*one), np.maximum(*one), *one, *(np.array([v]) for v in drive))
