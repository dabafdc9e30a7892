"""Pick and place: over the cube, down, close, up, over the tray, down, open, up."""

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.cell.experts.expert import Stride
from wam_core.cell.tasks.pick_place import CUBE, TRAY
from wam_core.contract import FloatArray

CRUISE, GRASP, RELEASE = 0.13, 0.02, 0.045
#: Horizontal miss at which the tool goes down, and at which a grasp that has begun goes on.
ALIGNED, BEGUN = 0.010, 0.016
#: Gripper fraction below which the fingers are on the cube (a cube's width is half of the opening).
GRIPPED = 0.54
OPEN, CLOSED = 1.0, 0.0


class PickPlaceExpert:
    def __init__(self, cell: Cell, stride: Stride) -> None:
        self._cell, self._stride = cell, stride

    def act(self) -> FloatArray:
        scene, goal = self._cell.scene, self._cell.goal
        cube, tray = scene.position(goal.subject), scene.position(goal.target)
        tool, opening = scene.tool_position(), self._cell.tool_pose()[6]
        miss = float(np.linalg.norm(cube[:2] - tool[:2]))
        within = miss < BEGUN and abs(cube[2] - tool[2]) < 0.02
        over = float(np.linalg.norm(tray[:2] - tool[:2]))
        if within and opening < GRIPPED:
            return self._carry(tool, tray, over)
        if np.abs(cube[:2] - tray[:2]).max() < TRAY and cube[2] < 2 * CUBE:
            return self._stride.towards(np.array([tool[0], tool[1], CRUISE]), OPEN)
        return self._fetch(tool, cube, miss, opening)

    def _carry(self, tool: FloatArray, tray: FloatArray, over: float) -> FloatArray:
        if over < 2 * ALIGNED:
            low_enough = tool[2] < RELEASE + 0.01
            return self._stride.towards(np.array([tray[0], tray[1], RELEASE]), OPEN if low_enough else CLOSED)
        if tool[2] < CRUISE - 0.03:
            return self._stride.towards(np.array([tool[0], tool[1], CRUISE]), CLOSED)
        return self._stride.towards(np.array([tray[0], tray[1], CRUISE]), CLOSED)

    def _fetch(self, tool: FloatArray, cube: FloatArray, miss: float, opening: float) -> FloatArray:
        grasp = np.array([cube[0], cube[1], GRASP])
        if abs(tool[2] - GRASP) < 0.012 and miss < (ALIGNED if opening > 0.9 else BEGUN):
            return self._stride.towards(grasp, CLOSED)
        if miss < ALIGNED or (miss < BEGUN and tool[2] < CRUISE - 0.02):
            return self._stride.towards(grasp, OPEN)
        above = np.array([cube[0], cube[1], CRUISE])
        if tool[2] < CRUISE - 0.05:
            above[:2] = tool[:2]
        return self._stride.towards(above, OPEN)
