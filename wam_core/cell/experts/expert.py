"""What an expert is, and the one way all of them move."""

from typing import Protocol

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.contract import FloatArray

#: Share of the remaining way taken in one step, near the goal: the approach is exponential, without overshoot.
APPROACH = 0.6
#: Greatest turn per step in rad.
FASTEST_TURN = 0.12


class Expert(Protocol):
    """Solves the cell's current episode with what it knows of the scene."""

    def act(self) -> FloatArray:
        """The ``ee_pose`` ``[7]`` to be reached one action step from now, a function of the present state alone."""
        ...


class Stride:
    """Steps towards a goal at a bounded speed, tool pointing down."""

    def __init__(self, cell: Cell, speed: float) -> None:
        self._cell = cell
        self._longest = speed * cell.robot.step_ns * 1e-9

    def towards(self, goal: FloatArray, gripper: float, yaw: float = 0.0) -> FloatArray:
        """Target ``[7]``: from the measured pose towards ``goal`` (``[3]`` m), gripper fraction at once.

        ``yaw`` (rad) turns the fingers about the base's z axis, from opening along y.
        """
        here = self._cell.tool_pose()
        way = goal - here[:3]
        distance = float(np.linalg.norm(way))
        share = min(APPROACH, self._longest / distance) if distance > 0 else 0.0
        # The tool's z points down, so its rotation vector turns the other way round.
        turn = np.clip(np.array([0.0, 0.0, -yaw]) - here[3:6], -FASTEST_TURN, FASTEST_TURN)
        return np.concatenate([here[:3] + share * way, here[3:6] + APPROACH * turn, [gripper]])
