"""Push: over the block, down behind it, forward with the block between the two fingers."""

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.cell.experts.expert import Stride
from wam_core.contract import FloatArray

#: Opening at which the fingers' inner edges are 5 cm apart.
SPREAD = 0.625
CRUISE, LOW = 0.14, 0.04
#: Tool to block centre along the push: when the block lies between the fingers, and where the tool comes down.
SEATED, BEHIND = 0.027, 0.062
#: How far off the start the tool may be to go down, and how far off the middle the block may be while pushed.
ALIGNED, LOST = 0.012, 0.026
#: How far the tool is sent ahead of the seated block, and the miss at which it stops.
LEAD, ARRIVED = 0.06, 0.010
#: Way to the zone (m) below which its direction says little: the tool keeps the heading it has.
NEAR = 0.05


class PushExpert:
    def __init__(self, cell: Cell, stride: Stride) -> None:
        self._cell, self._stride = cell, stride

    def act(self) -> FloatArray:
        scene, goal = self._cell.scene, self._cell.goal
        block, tool = scene.position(goal.subject)[:2], scene.tool_position()
        way = scene.position(goal.target)[:2] - block
        yaw = self._heading(way)
        forward = np.array([np.cos(yaw), np.sin(yaw)])
        along = float((block - tool[:2]) @ forward)
        across = float(np.linalg.norm(block - tool[:2] - along * forward))
        if tool[2] < LOW + 0.03 and SEATED - 0.02 < along < BEHIND + 0.02 and across < LOST:
            left = max(float(way @ forward), 0.0)
            ahead = min(left, LEAD) if left > ARRIVED else 0.0
            return self._go(block + (ahead - SEATED) * forward, LOW, yaw)
        start = block - BEHIND * forward
        off = float(np.linalg.norm(start - tool[:2]))
        if off < ALIGNED or (off < 2 * ALIGNED and tool[2] < CRUISE - 0.02):
            return self._go(start, LOW, yaw)
        return self._go(start if tool[2] > CRUISE - 0.04 else tool[:2], CRUISE, yaw)

    def _heading(self, way: FloatArray) -> float:
        if np.linalg.norm(way) < NEAR:
            return -float(self._cell.tool_pose()[5])
        return float(np.arctan2(way[1], way[0]))

    def _go(self, place: FloatArray, height: float, yaw: float) -> FloatArray:
        return self._stride.towards(np.array([*place, height]), SPREAD, yaw)
