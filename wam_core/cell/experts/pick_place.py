"""Pick and place: down on the cube, close, up, over to the tray, down, open, up."""

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.cell.experts.expert import CRUISE, Move, Stride
from wam_core.cell.tasks.pick_place import CUBE, TRAY
from wam_core.contract import FloatArray

GRASP, RELEASE = 0.018, 0.045
#: Horizontal miss within which the tool goes all the way down, over the cube and over the tray.
CUBE_TOLERANCE, TRAY_TOLERANCE = 0.010, 0.030
#: Miss per axis within which the fingers have the cube between them.
BETWEEN = 0.018
#: Gripper fraction below which the fingers are on the cube (a cube's width is half of the opening).
GRIPPED = 0.56
OPEN, CLOSED = 1.0, 0.0
#: Share of the speed at which the fingers go down around the cube.
CAREFUL = 0.3


class PickPlaceExpert:
    def __init__(self, cell: Cell, stride: Stride) -> None:
        self._cell, self._stride = cell, stride

    def act(self) -> Move:
        scene, goal = self._cell.scene, self._cell.goal
        cube, tray = scene.position(goal.subject), scene.position(goal.target)
        tool, opening = scene.tool_position(), self._cell.tool_pose()[6]
        between = bool(np.all(np.abs(cube - tool) < BETWEEN + 0.004))
        if between and opening < GRIPPED:
            return self._carry(tool, tray)
        if np.abs(cube[:2] - tray[:2]).max() < TRAY and cube[2] < 2 * CUBE:
            return Move(self._stride.towards(np.array([tool[0], tool[1], CRUISE]), OPEN), self._leave())
        if bool(np.all(np.abs(cube - tool) < BETWEEN)):
            return Move(self._stride.towards(np.array([*cube[:2], GRASP]), CLOSED), f"grasp {goal.thing}")
        target = self._stride.down_to(np.array([*cube[:2], GRASP]), CUBE_TOLERANCE, OPEN, slowest=CAREFUL)
        return Move(target, f"go down to {goal.thing}")

    def _carry(self, tool: FloatArray, tray: FloatArray) -> Move:
        over = float(np.linalg.norm(tray[:2] - tool[:2])) < TRAY_TOLERANCE
        gripper = OPEN if over and tool[2] < RELEASE + 0.015 else CLOSED
        target, goal = self._stride.down_to(np.array([*tray[:2], RELEASE]), TRAY_TOLERANCE, gripper), self._cell.goal
        return Move(target, f"carry {goal.thing} to {goal.place}" if gripper == CLOSED else self._leave())

    def _leave(self) -> str:
        return f"leave {self._cell.goal.thing} in {self._cell.goal.place}"
