"""What an expert is, and the one way all of them move."""

from typing import Protocol

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.contract import FloatArray

#: Share of the remaining way taken in one step, near the goal: the approach is exponential, without overshoot.
APPROACH = 0.6


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

    def towards(self, goal: FloatArray, gripper: float) -> FloatArray:
        """Target ``[7]``: from the measured tool position towards ``goal`` (``[3]`` m), gripper fraction at once."""
        here = self._cell.tool_pose()[:3]
        way = goal - here
        distance = float(np.linalg.norm(way))
        share = min(APPROACH, self._longest / distance) if distance > 0 else 0.0
        return np.concatenate([here + share * way, np.zeros(3), [gripper]])
