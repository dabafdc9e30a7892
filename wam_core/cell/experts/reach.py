"""Reach: straight to the top of the ball."""

from wam_core.cell.cell import Cell
from wam_core.cell.experts.expert import Stride
from wam_core.cell.tasks.reach import RADIUS
from wam_core.contract import FloatArray


class ReachExpert:
    def __init__(self, cell: Cell, stride: Stride) -> None:
        self._cell, self._stride = cell, stride

    def act(self) -> FloatArray:
        top = self._cell.scene.position(self._cell.goal.subject) + [0.0, 0.0, RADIUS]
        return self._stride.towards(top, gripper=1.0)
