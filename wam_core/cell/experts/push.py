"""Push: over the block, down behind it, forward with the block between the two fingers."""

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.cell.experts.expert import Stride
from wam_core.contract import FloatArray

#: Opening at which the fingers' inner edges are 5 cm apart.
SPREAD = 0.625
CRUISE, LOW = 0.14, 0.04
#: Tool to block centre along x: when the block lies between the fingers, and where the tool comes down.
SEATED, BEHIND = 0.036, 0.068
#: How far off the middle the block may be when pushing starts, and when it is given up.
ALIGNED, LOST = 0.015, 0.025
ARRIVED = 0.008


class PushExpert:
    def __init__(self, cell: Cell, stride: Stride) -> None:
        self._cell, self._stride = cell, stride

    def act(self) -> FloatArray:
        scene, goal = self._cell.scene, self._cell.goal
        block, zone = scene.position(goal.subject), scene.position(goal.target)
        tool = scene.tool_position()
        gap, aside = block[0] - tool[0], abs(block[1] - tool[1])
        low = tool[2] < LOW + 0.03
        if low and SEATED - 0.02 < gap < BEHIND + 0.03 and aside < LOST:
            return self._stride.towards(self._push(block, zone, tool), SPREAD)
        start = np.array([block[0] - BEHIND, block[1], CRUISE])
        off = float(np.linalg.norm(start[:2] - tool[:2]))
        if off < ALIGNED or (low and gap > SEATED + 0.015 and off < LOST):
            return self._stride.towards(np.array([start[0], start[1], LOW]), SPREAD)
        if tool[2] < CRUISE - 0.05:
            start[:2] = tool[:2]
        return self._stride.towards(start, SPREAD)

    def _push(self, block: FloatArray, zone: FloatArray, tool: FloatArray) -> FloatArray:
        """Where to move the tool: first up to the block, then so that the block heads for the zone."""
        seat = np.array([block[0] - SEATED, block[1], LOW])
        if block[0] - tool[0] > SEATED + 0.012:
            return seat
        way = zone[:2] - block[:2]
        if np.linalg.norm(way) < ARRIVED or way[0] < 0:
            return np.array([tool[0], tool[1], LOW])
        return np.array([tool[0] + way[0], tool[1] + way[1], LOW])
