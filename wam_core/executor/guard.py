"""Watching a margin (distance to a solid, depth in a box) all along a path, with as few measurements as possible."""

from typing import NamedTuple, Protocol

import numpy as np

from wam_core.contract import FloatArray
from wam_core.robot.clearance import Nearest, self_clearance, solids_clearance
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics
from wam_core.robot.workspace import ToolBox


class Margin(Protocol):
    """Something that must stay large, and how fast it may shrink.

    Attributes:
        levers: ``[J]`` m; it changes by no more than ``sum |dq_i| * levers_i``.
    """

    levers: FloatArray

    def measure(self, q: FloatArray) -> Nearest:
        """Its value at ``q [J]`` (rad), in m."""


class Guard:
    """Conservative advancement (Mirtich 1996): where a measurement proves that the margin holds for the steps that
    follow, they are not measured."""

    def __init__(self, margin: Margin) -> None:
        self._margin = margin
        self._at: FloatArray | None = None
        self._known = 0.0

    @property
    def levers(self) -> FloatArray:
        return self._margin.levers

    def breach(self, path: FloatArray, least: float, before: FloatArray) -> Nearest | None:
        """The first place on ``path`` where the margin is below ``least``, or None.

        An arm that is too near already may go on where it gets no nearer.

        Args:
            path: ``[N, J]`` rad. before: ``[J]`` rad, where the arm comes from.
        """
        levers, margin = self._margin.levers, self._margin
        travel = np.abs(path[1:] - path[:-1]) @ levers
        ahead = np.cumsum(travel)
        first = 0.0 if self._at is None else self._known - float(np.abs(path[0] - self._at) @ levers)
        if first - (ahead[-1] if len(ahead) else 0.0) >= least:
            return None
        step, allowed = 0, least
        while step < len(path):
            near = margin.measure(path[step])
            if step == 0:
                self._at, self._known = path[0], near.distance
            if near.distance < allowed:
                allowed = min(allowed, margin.measure(before).distance)
                if near.distance < allowed:
                    return near
            reached = ahead[step - 1] if step else 0.0
            step = 1 + max(step, int(np.searchsorted(ahead, reached + near.distance - least, side="right")))
        return None

    def forget(self) -> None:
        """What was measured before no longer counts, so that what follows depends on nothing before."""
        self._at = None


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
