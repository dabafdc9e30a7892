"""Watching margins (distances, depths in a box) all along a path, with as few measurements as possible."""

from collections.abc import Sequence
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
#: What is proven by no more than this (m) is measured with what is doubtful: it would be doubtful soon.
AHEAD = 0.02
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

    def measure(self, q: FloatArray, which: Sequence[int]) -> FloatArray:
        """``[K]`` values ``which [K]`` at ``q [J]`` (rad), in m."""

    def name(self, index: int) -> str:
        """What value ``index`` is of."""


class Breach(NamedTuple):
    """A value that is too small (m), what it is of, and what it should at least be (m)."""

    value: float
    where: str
    least: float


#: Before the first stop was looked at.
UNKNOWN = Breach(np.nan, "not looked at yet", np.nan)


class Memory:
    """What several guards measured last, side by side, so that one look at a stop does for all of them.

    Attributes:
        at: ``[G, REMEMBERED, J]`` rad, where each guard measured.
        values: ``[G, REMEMBERED, P]`` m, what it found; infinite where a guard has fewer values than another.
    """

    def __init__(self, levers: Sequence[FloatArray]) -> None:
        """``levers``: of each guard, ``[P_g, J]`` m."""
        joints, most = levers[0].shape[1], max(map(len, levers))
        self._levers = np.zeros((len(levers), joints, most))
        self._known = np.full((len(levers), 1, most), np.inf)
        for guard, rows in enumerate(levers):
            self._levers[guard, :, : len(rows)] = rows.T
            self._known[guard, :, : len(rows)] = -np.inf
        self.at = np.zeros((len(levers), REMEMBERED, joints))
        self.values = np.repeat(self._known, REMEMBERED, axis=1)
        self._seen: tuple[StopPlan, FloatArray, list[float]] | None = None

    def look(self, stop: StopPlan, place: int) -> tuple[float, FloatArray]:
        """``[P]`` m that the values of a guard do not fall below anywhere between the extremes of ``stop``, after the
        least of them; asking again, or for another guard, costs next to nothing."""
        if self._seen is None or self._seen[0] is not stop:
            moved = np.maximum(stop.upper - self.at, self.at - stop.lower)
            proven = (self.values - moved @ self._levers).max(axis=1)
            self._seen = stop, proven, proven.min(axis=1).tolist()
        return self._seen[2][place], self._seen[1][place]

    def forget(self) -> None:
        self.values[:] = self._known
        self._seen = None


class Guard:
    """Conservative advancement (Mirtich 1996): what measurements prove is not measured again, neither along the path
    nor in the ticks that follow.

    Attributes:
        confines: what fingers could touch on the last stop that had no breach, so that they must stay as they are: a
            value that they share in and that was too small already; None if there is none.
    """

    def __init__(self, margins: Margins, memory: Memory, place: int) -> None:
        """``place``: which of those whose ``memory`` it is."""
        self._margins = margins
        self.confines: Breach | None = UNKNOWN
        self._levers = margins.levers.T.copy()
        self._memory, self._place = memory, place
        self._at, self._values = memory.at[place], memory.values[place]
        self._oldest = 0

    def breach(self, stop: StopPlan, least: float, before: FloatArray) -> Breach | None:
        """The first place on ``stop`` where a margin is below ``least``, or None.

        What is too near already may go on where it gets no nearer.

        Args:
            before: ``[J]`` rad, where the arm comes from.
        """
        lowest, everywhere = self._memory.look(stop, self._place)
        if lowest >= least:
            self.confines = None
            return None
        near = np.flatnonzero(everywhere[: len(self._margins.levers)] < least + AHEAD)
        levers, path = self._levers[:, near], stop.samples[0]
        proven = (self._values[:, near] - np.abs(path[:, None] - self._at) @ levers).max(axis=1)
        step, bounds, confines = 0, None, None
        while True:
            doubtful = np.flatnonzero(proven[step:].min(axis=1) < least)
            if not len(doubtful):
                self.confines = confines
                return None
            step += int(doubtful[0])
            values = self._margins.measure(path[step], near.tolist())
            self._remember(path[step], everywhere, near, values)
            if values.min() < least:
                if bounds is None:
                    bounds = np.minimum(least, self._margins.measure(before, near.tolist()) - ROUNDING)
                worst = int((values - bounds).argmin())
                if values[worst] < bounds[worst]:
                    return Breach(float(values[worst]), self._margins.name(int(near[worst])), least)
                fingers = self._margins.fingers[near]
                nearest = int(np.where(fingers, values, np.inf).argmin())
                if fingers[nearest] and values[nearest] < least:
                    confines = Breach(float(values[nearest]), self._margins.name(int(near[nearest])), least)
            proven = np.maximum(proven, values - np.abs(path - path[step]) @ levers)
            step += 1

    def forget(self) -> None:
        """What was measured before no longer counts, so that what follows depends on nothing before."""
        self._memory.forget()
        self._oldest = 0
        self.confines = UNKNOWN

    def _remember(self, q: FloatArray, proven: FloatArray, which: NDArray[np.intp], values: FloatArray) -> None:
        """At ``q`` values ``which`` are ``values [K]``, and the others at least ``proven [P]``."""
        row = self._memory.values[self._place, self._oldest]
        row[:], row[which] = proven, values
        self._at[self._oldest] = q
        self._oldest = (self._oldest + 1) % REMEMBERED


def side_by_side(margins: Sequence[Margins]) -> list[Guard]:
    """A guard of each, which share a memory."""
    memory = Memory([one.levers for one in margins])
    return [Guard(one, memory, place) for place, one in enumerate(margins)]


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
    watched: dict[str, Margins | None] = {
        "workspace": ToolBox(robot, kinematics),
        "self_collision": self_clearance(robot, clearance),
        "environment": solids_clearance(robot, safety.environment, safety.environment_distance),
        "keep_out": solids_clearance(robot, safety.keep_out, safety.keep_out_distance),
    }
    there = {name: margins for name, margins in watched.items() if margins is not None}
    guards = dict(zip(there, side_by_side(list(there.values())), strict=True))
    return Guards(guards["workspace"], guards["self_collision"], guards.get("environment"), guards.get("keep_out"))
