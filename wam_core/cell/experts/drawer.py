"""Drawer: closed fingers into the handle from above, then pull towards the robot."""

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.cell.experts.expert import Stride
from wam_core.cell.tasks.drawer import DEPTH, HANDLE_GAP
from wam_core.contract import FloatArray

CRUISE, LOW = 0.13, 0.05
#: Clearances of closed fingers in the handle along x and y, with a margin.
CLEAR = np.array([0.018, 0.028])
#: How precisely the tool is above the handle before it goes down.
ABOVE = 0.010
ENOUGH = 0.10


class DrawerExpert:
    def __init__(self, cell: Cell, stride: Stride) -> None:
        self._cell, self._stride = cell, stride

    def act(self) -> FloatArray:
        scene, goal = self._cell.scene, self._cell.goal
        tool = scene.tool_position()
        handle = scene.position(goal.subject) - [DEPTH + HANDLE_GAP / 2, 0.0, 0.0]
        offset = np.abs(tool[:2] - handle[:2])
        inside = bool(np.all(offset < CLEAR + 0.008)) and tool[2] < LOW + 0.012
        if inside:
            remaining = ENOUGH + 0.01 - scene.slide(goal.subject)
            return self._stride.towards(np.array([tool[0] - max(remaining, 0.0), handle[1], LOW]), 0.0)
        sinking = tool[2] < CRUISE - 0.02 and bool(np.all(offset < CLEAR))
        if sinking or np.linalg.norm(offset) < ABOVE:
            return self._stride.towards(np.array([handle[0], handle[1], LOW]), 0.0)
        above = np.array([handle[0], handle[1], CRUISE])
        if tool[2] < CRUISE - 0.04:
            above[:2] = tool[:2]
        return self._stride.towards(above, 0.0)
