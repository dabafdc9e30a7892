"""Watching margins (distances, depths in a box) all along a path, with as few measurements as possible."""

from typing import NamedTuple, Protocol

import numpy as np

from wam_core.contract import FloatArray
from wam_core.robot.clearance import self_clearance, solids_clearance
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics
from wam_core.robot.workspace import ToolBox

#: A value that changes by less than this (m) between two measurements has not changed.
ROUNDING = 1e-9


class Margins(Protocol):
    """Values that must stay large, and how fast each may shrink.

    Attributes:
        levers: ``[P, J]`` m; value p changes by no more than ``sum |dq_i| * levers_pi``.
    """

    levers: FloatArray

    def measure(self, q: FloatArray) -> FloatArray:
        """``[P]`` values at ``q [J]`` (rad), in m."""

    def name(self, index: int) -> str:
        """What value ``index`` is of."""


class Breach(NamedTuple):
    """A value that is too small (m), and what it is of."""

    value: float
    where: str


class Guard:
    """Conservative advancement (Mirtich 1996): what one measurement proves is not measured again, neither along the
    path nor in the ticks that follow."""

    def __init__(self, margins: Margins) -> None:
        self._margins = margins
        self._levers = margins.levers.T.copy()
        self._known: tuple[FloatArray, FloatArray] | None = None

    def breach(self, path: FloatArray, least: float, before: FloatArray) -> Breach | None:
        """The first place on ``path`` where a margin is below ``least``, or None.

        What is too near already may go on where it gets no nearer.

        Args:
            path: ``[N, J]`` rad. before: ``[J]`` rad, where the arm comes from.
        """
        step, bounds = 0, None
        while True:
            doubtful = np.flatnonzero(self._proven(path[step:]) < least)
            if not len(doubtful):
                return None
            step += int(doubtful[0])
            values = self._margins.measure(path[step])
            self._known = (path[step], values)
            if values.min() < least:
                if bounds is None:
                    bounds = np.minimum(least, self._margins.measure(before) - ROUNDING)
                worst = int((values - bounds).argmin())
                if values[worst] < bounds[worst]:
                    return Breach(float(values[worst]), self._margins.name(worst))
            step += 1
            if step == len(path):
                return None

    def forget(self) -> None:
        """What was measured before no longer counts, so that what follows depends on nothing before."""
        self._known = None

    def _proven(self, path: FloatArray) -> FloatArray:
        """``[N]`` m that the margins have at least, by the last measurement."""
        if self._known is None:
            return np.full(len(path), -np.inf)
        at, values = self._known
        return np.asarray((values - np.abs(path - at) @ self._levers).min(axis=1))


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
