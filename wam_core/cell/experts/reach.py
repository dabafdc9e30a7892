"""Reach: straight to the top of the ball."""

from wam_core.cell.cell import Cell
from wam_core.cell.experts.expert import Move, Stride
from wam_core.cell.tasks.reach import RADIUS


class ReachExpert:
    def __init__(self, cell: Cell, stride: Stride) -> None:
        self._cell, self._stride = cell, stride

    def act(self) -> Move:
        goal = self._cell.goal
        top = self._cell.scene.position(goal.subject) + [0.0, 0.0, RADIUS]
        return Move(self._stride.towards(top, gripper=1.0), goal.instruction)
