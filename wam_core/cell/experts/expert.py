"""What an expert is, and the ways all of them move."""

from typing import NamedTuple, Protocol

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.contract import FloatArray

#: Share of the remaining way taken in one step, near the goal: the approach is exponential, without overshoot.
APPROACH = 0.8
#: Greatest turn per step in rad.
FASTEST_TURN = 0.12
#: Heights in m: of sideways moves, and above which the tool clears everything that stands in the cell.
CRUISE, CLEARANCE = 0.13, 0.085
#: How far below its due height the tool may be there and still move sideways.
SAG = 0.03
#: Height per horizontal miss on the way down: the flank of the funnel above a place.
STEEPNESS = 5.0
#: Where care is asked for, the tool slows down nearer to the place than this (m).
SLOWING = 0.12


class Move(NamedTuple):
    """What an expert does now: the ``ee_pose`` ``[7]`` to be reached one action step from now, and what that is a part
    of, said as an instruction."""

    target: FloatArray
    sub_instruction: str


class Expert(Protocol):
    """Solves the cell's current episode with what it knows of the scene."""

    def act(self) -> Move:
        """A function of the present state alone."""
        ...


class Stride:
    """Steps towards a goal at a bounded speed, tool pointing down."""

    def __init__(self, cell: Cell, speed: float) -> None:
        self._cell = cell
        self._longest = speed * cell.robot.step_ns * 1e-9

    def towards(self, goal: FloatArray, gripper: float, yaw: float = 0.0, pace: float = 1.0) -> FloatArray:
        """Target ``[7]``: from the measured pose towards ``goal`` (``[3]`` m), gripper fraction at once.

        ``yaw`` (rad) turns the fingers about the base's z axis, from opening along y; ``pace`` is a share of the speed.
        """
        here = self._cell.tool_pose()
        way = goal - here[:3]
        distance = float(np.linalg.norm(way))
        share = min(APPROACH, pace * self._longest / distance) if distance > 0 else 0.0
        # The tool's z points down, so its rotation vector turns the other way round.
        turn = np.clip(np.array([0.0, 0.0, -yaw]) - here[3:6], -FASTEST_TURN, FASTEST_TURN)
        return np.concatenate([here[:3] + share * way, here[3:6] + APPROACH * turn, [gripper]])

    def down_to(
        self, place: FloatArray, tolerance: float, gripper: float, yaw: float = 0.0, slowest: float = 1.0
    ) -> FloatArray:
        """Target ``[7]`` on the way to ``place`` (``[3]`` m) from above, at last at the share ``slowest`` of the speed.

        The tool stays in a funnel: at ``place``'s height within ``tolerance`` (m, horizontal) of it, higher the further
        off it is, up to :data:`CRUISE`; far below the funnel it rises before it moves sideways.
        """
        here = self._cell.scene.tool_position()
        miss = float(np.linalg.norm(place[:2] - here[:2]))
        height = min(place[2] + STEEPNESS * max(miss - tolerance, 0.0), max(CRUISE, place[2]))
        aside = here[:2] if here[2] < min(height - SAG, CLEARANCE) else place[:2]
        pace = float(np.clip(np.linalg.norm(place - here) / SLOWING, slowest, 1.0))
        return self.towards(np.array([*aside, height]), gripper, yaw, pace)
