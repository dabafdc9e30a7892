"""How far inside its box the tool is."""

import numpy as np

from wam_core.contract import FloatArray
from wam_core.robot.clearance import Nearest
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics, arm_model


class ToolBox:
    """Depth of the tool inside the workspace box.

    Attributes:
        levers: ``[J]`` m; the tool never moves further than ``sum |dq_i| * levers_i``.
    """

    def __init__(self, robot: RobotContract, kinematics: Kinematics) -> None:
        self._lower, self._upper = robot.workspace.lower, robot.workspace.upper
        self._kinematics = kinematics
        model = arm_model(robot)
        frame = model.frames[model.getFrameId(robot.tool_frame)]
        beyond = [float(np.linalg.norm(p.translation)) for p in (*list(model.jointPlacements)[2:], frame.placement)]
        self.levers = np.cumsum(beyond[::-1])[::-1].copy()

    def measure(self, q: FloatArray) -> Nearest:
        """Depth (m, negative outside) and the axis of the nearest wall at ``q [J]`` (rad)."""
        place = self._kinematics.tool(q)[1]
        depth = np.minimum(place - self._lower, self._upper - place)
        axis = int(depth.argmin())
        return Nearest(float(depth[axis]), "xyz"[axis])
