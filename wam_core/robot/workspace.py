"""How far inside its box the tool is."""

from collections.abc import Sequence

import numpy as np

from wam_core.contract import FloatArray
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics, arm_model, tool_levers


class ToolBox:
    """Depth of the tool inside the workspace box.

    Attributes:
        levers: ``[6, J]`` m; the tool never moves further than ``sum |dq_i| * levers_i``, a row for each wall.
        fingers: ``[6]`` no wall is for them.
    """

    def __init__(self, robot: RobotContract, kinematics: Kinematics) -> None:
        self._lower, self._upper = robot.workspace.lower, robot.workspace.upper
        self._kinematics = kinematics
        self.fingers = np.zeros(6, bool)
        self.levers = np.tile(tool_levers(arm_model(robot), robot.tool_frame), (6, 1))

    def measure(self, q: FloatArray, which: Sequence[int]) -> FloatArray:
        """``[K]`` m: depth inside walls ``which [K]`` at ``q [J]`` (rad), negative outside."""
        place = self._kinematics.tool(q)[1]
        return np.concatenate([place - self._lower, self._upper - place])[which]

    def name(self, wall: int) -> str:
        """The axis that a wall is across."""
        return "xyz"[wall % 3]
