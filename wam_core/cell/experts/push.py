"""Push: down behind the block, then forward with the block between the two fingers."""

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.cell.experts.expert import Move, Stride
from wam_core.contract import FloatArray

#: Opening at which the fingers' inner edges are 5 cm apart.
SPREAD = 0.625
LOW, LOW_ENOUGH = 0.033, 0.060
#: Tool to block centre along the push: when the block lies between the fingers, when they are clear of it, and where
#: the tool comes down.
SEATED, CLEAR, BEHIND = 0.027, 0.045, 0.075
#: How far off the middle the block may be when the tool goes down or forward, and while it is pushed.
TOLERANCE, LOST = 0.020, 0.030
#: How far the tool is sent ahead of the seated block, and the miss at which it stops.
LEAD, ARRIVED = 0.06, 0.010
#: Way to the zone (m) below which its direction says little: the tool keeps the heading it has.
NEAR = 0.05


class PushExpert:
    def __init__(self, cell: Cell, stride: Stride) -> None:
        self._cell, self._stride = cell, stride

    def act(self) -> Move:
        scene, goal = self._cell.scene, self._cell.goal
        block, tool = scene.position(goal.subject)[:2], scene.tool_position()
        way = scene.position(goal.target)[:2] - block
        yaw = self._heading(way)
        forward = np.array([np.cos(yaw), np.sin(yaw)])
        along = float((block - tool[:2]) @ forward)
        across = float(np.linalg.norm(block - tool[:2] - along * forward))
        start = np.array([*(block - BEHIND * forward), LOW])
        approach = f"go behind {goal.thing}"
        if tool[2] > LOW_ENOUGH or along < 0.0:
            return Move(self._stride.down_to(start, TOLERANCE, SPREAD, yaw), approach)
        if across < (LOST if along < CLEAR else TOLERANCE):
            left = float(way @ forward)
            ahead = min(left, LEAD) - SEATED if left > ARRIVED else -along
            target = self._stride.towards(np.array([*(block + ahead * forward), LOW]), SPREAD, yaw)
            return Move(target, goal.instruction)
        if along > CLEAR:
            return Move(self._stride.towards(start, SPREAD, yaw), approach)
        return Move(self._stride.down_to(start, TOLERANCE, SPREAD, yaw), approach)

    def _heading(self, way: FloatArray) -> float:
        if np.linalg.norm(way) < NEAR:
            return -float(self._cell.tool_pose()[5])
        return float(np.arctan2(way[1], way[0]))
