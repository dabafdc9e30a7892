"""Watching margins (distances, depths in a box) all along a path, with as few measurements as possible."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.executor.shaping import StopPlan
from wam_core.robot.clearance import self_clearance, solids_clearance
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics
from wam_core.robot.workspace import ToolBox

#: A value that changes by less than this (m) between two measurements has not changed.
ROUNDING = 1e-9
#: Measurements that a guard remembers. The stops of two ticks after each other are nearly the same, and a path along a
#: wall takes several measurements to prove.
REMEMBERED = 4


class Margins(Protocol):
    """Values that must stay large, and how fast each may shrink.

    Attributes:
        levers: ``[P, J]`` m; value p changes by no more than ``sum |dq_i| * levers_pi``.
        fingers: ``[P]`` whether value p is of a place that fingers may, but need not, take up.
    """

    levers: FloatArray
    fingers: NDArray[np.bool_]

    def measure(self, q: FloatArray) -> FloatArray:
        """``[P]`` values at ``q [J]`` (rad), in m."""

    def name(self, index: int) -> str:
        """What value ``index`` is of."""


class Breach(NamedTuple):
    """A value that is too small (m), what it is of, and what it should at least be (m)."""

    value: float
    where: str
    least: float


#: Before the first stop was looked at.
UNKNOWN = Breach(np.nan, "not looked at yet", np.nan)


class Guard:
    """Conservative advancement (Mirtich 1996): what measurements prove is not measured again, neither along the path
    nor in the ticks that follow.

    Attributes:
        confines: what fingers could touch on the last stop that had no breach, so that they must stay as they are: a
            value that they share in and that was too small already; None if there is none.
    """

    def __init__(self, margins: Margins) -> None:
        self._margins = margins
        self.confines: Breach | None = UNKNOWN
        self._levers = margins.levers.T.copy()
        joints, values = self._levers.shape
        self._at, self._values = np.zeros((REMEMBERED, joints)), np.full((REMEMBERED, values), -np.inf)
        self._oldest = 0

    def breach(self, stop: StopPlan, least: float, before: FloatArray) -> Breach | None:
        """The first place on ``stop`` where a margin is below ``least``, or None.

        What is too near already may go on where it gets no nearer.

        Args:
            before: ``[J]`` rad, where the arm comes from.
        """
        if self._proven(np.maximum(stop.upper - self._at, self._at - stop.lower)).min() >= least:
            self.confines = None
            return None
        path = stop.samples[0]
        proven = self._proven(np.abs(path[:, None] - self._at))
        step, bounds, confines = 0, None, None
        while True:
            doubtful = np.flatnonzero(proven[step:].min(axis=1) < least)
            if not len(doubtful):
                self.confines = confines
                return None
            step += int(doubtful[0])
            values = self._measure(path[step])
            if values.min() < least:
                if bounds is None:
                    bounds = np.minimum(least, self._margins.measure(before) - ROUNDING)
                worst = int((values - bounds).argmin())
                if values[worst] < bounds[worst]:
                    return Breach(float(values[worst]), self._margins.name(worst), least)
                nearest = int(np.where(self._margins.fingers, values, np.inf).argmin())
                if self._margins.fingers[nearest] and values[nearest] < least:
                    confines = Breach(float(values[nearest]), self._margins.name(nearest), least)
            proven = np.maximum(proven, values - np.abs(path - path[step]) @ self._levers)
            step += 1

    def forget(self) -> None:
        """What was measured before no longer counts, so that what follows depends on nothing before."""
        self._values.fill(-np.inf)
        self._oldest = 0
        self.confines = UNKNOWN

    def _measure(self, q: FloatArray) -> FloatArray:
        values = self._margins.measure(q)
        self._at[self._oldest], self._values[self._oldest] = q, values
        self._oldest = (self._oldest + 1) % REMEMBERED
        return values

    def _proven(self, moved: FloatArray) -> FloatArray:
        """``[..., P]`` m that the margins have at least where the joints are ``moved [..., REMEMBERED, J]`` (rad) from
        the places that were measured last."""
        return np.asarray((self._values - moved @ self._levers).max(axis=-2))


class Guards(NamedTuple):
    """What the stop of every command is held against; None where the robot file names nothing."""

    workspace: Guard
    self_collision: Guard
    environment: Guard | None
    keep_out: Guard | None

    def forget(self) -> None:
        for guard in self:
            if guard is not None:
                guard.forget()

    @property
    def confines(self) -> Breach | None:
        """What keeps fingers as they are; see :attr:`Guard.confines`."""
        near = (guard.confines for guard in (self.self_collision, self.environment, self.keep_out) if guard is not None)
        return next((breach for breach in near if breach is not None), None)


def make_guards(robot: RobotContract, kinematics: Kinematics, clearance: float) -> Guards:
    """The guards of ``robot``; ``clearance`` (m) is the least distance of the arm to itself."""
    safety = robot.safety
    environment = solids_clearance(robot, safety.environment, safety.environment_distance)
    keep_out = solids_clearance(robot, safety.keep_out, safety.keep_out_distance)
    return Guards(
        Guard(ToolBox(robot, kinematics)),
        Guard(self_clearance(robot, clearance)),
        None if environment is None else Guard(environment),
        None if keep_out is None else Guard(keep_out),
    )
