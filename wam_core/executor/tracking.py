"""An arm that is not where it was told to be: how long it has been so, and how the reference gives way to it."""

import numpy as np

from wam_core.contract import FloatArray, RobotState
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.contract import RobotContract
from wam_core.robot.ik import approach

#: After giving way the reference stays where the arm was until the arm has been moved further than this (rad).
#: Following every movement, it would sink with an arm that is heavier than its model.
YIELD_RAD = 0.05
#: Share of ``tracking_hold_rad`` below which the arm is no longer astray: the reference waits just beyond the bound,
#: where noise alone would make it look well again and again.
BACK_SHARE = 0.8


class Tracking:
    """Remembers since when the arm has been astray, and where the reference goes to relieve it."""

    def __init__(self, robot: RobotContract, settings: ExecutorSettings) -> None:
        self._hold, self._gain = settings.tracking_hold_rad, settings.ik.gain
        self._arms = len(robot.joints)
        self._deceleration = 0.5 * float(np.min(robot.limits.acceleration))
        self._since_ns: int | None = None
        self._retreat: FloatArray | None = None

    def astray_s(self, reference: FloatArray, state: RobotState | None) -> float:
        """Seconds, by the stamps of the states, since the arm went beyond ``tracking_hold_rad`` and did not come back.

        Without a state nothing is known of the arm: the answer is zero, but the time goes on.

        Args:
            reference: ``[J]`` rad. state: usable, or None.
        """
        if state is None:
            return 0.0
        bound = self._hold * (1.0 if self._since_ns is None else BACK_SHARE)
        if np.abs(reference - state.position[: len(reference)]).max() <= bound:
            self._since_ns = None
            return 0.0
        self._since_ns = state.stamp_ns if self._since_ns is None else min(self._since_ns, state.stamp_ns)
        return (state.stamp_ns - self._since_ns) * 1e-9

    def give_way(self, state: RobotState) -> None:
        """From now on the reference goes to where the arm is now."""
        self._retreat = state.position[: self._arms]

    def retreat_rates(self, reference: FloatArray, state: RobotState) -> FloatArray | None:
        """Joint rates ``[J]`` (rad/s) that relieve the arm, or None where the reference need not give way."""
        if self._retreat is None:
            return None
        if np.abs(self._retreat - state.position[: len(reference)]).max() > YIELD_RAD:
            self.give_way(state)
        return approach(self._retreat - reference, self._gain, self._deceleration)

    def forget(self) -> None:
        """The reference starts anew: the arm is not astray and need not be relieved."""
        self._since_ns = self._retreat = None
