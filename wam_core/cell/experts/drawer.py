"""Drawer: closed fingers into the handle from above, then pull towards the robot."""

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.cell.experts.expert import Move, Stride
from wam_core.cell.tasks.drawer import DEPTH, HANDLE_GAP

LOW, LOW_ENOUGH = 0.04, 0.055
#: Clearance of the closed fingers in the handle along x and y.
CLEARANCE = np.array([0.030, 0.030])
TOLERANCE = 0.012
#: Opening at which the pull ends.
ENOUGH = 0.105
CLOSED = 0.0


class DrawerExpert:
    def __init__(self, cell: Cell, stride: Stride) -> None:
        self._cell, self._stride = cell, stride

    def act(self) -> Move:
        scene, goal = self._cell.scene, self._cell.goal
        tool = scene.tool_position()
        handle = scene.position(goal.subject) - [DEPTH + HANDLE_GAP / 2, 0.0, 0.0]
        inside = bool(np.all(np.abs(tool[:2] - handle[:2]) < CLEARANCE)) and tool[2] < LOW_ENOUGH
        left = ENOUGH - scene.slide(goal.subject)
        if inside or left < 0:
            target = self._stride.towards(np.array([tool[0] - max(left, 0.0), handle[1], LOW]), CLOSED)
            return Move(target, f"pull {goal.thing}")
        target = self._stride.down_to(np.array([*handle[:2], LOW]), TOLERANCE, CLOSED)
        return Move(target, f"hook the handle of {goal.thing}")
