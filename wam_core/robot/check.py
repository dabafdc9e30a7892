"""Whether a robot file and its URDF fit together, found out before anything moves."""

import numpy as np

from wam_core.contract import FloatArray
from wam_core.errors import ContractError
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics


def check_home(robot: RobotContract) -> FloatArray:
    """Position ``[3]`` (m) of the tool at home, in the base frame.

    Raises:
        ContractError: the URDF's joints or frames are not those of the contract, or home is outside the joint limits or
            its tool outside the workspace.
        ValueError: the URDF cannot be read.
    """
    kinematics = Kinematics(robot)
    home, limits, box = robot.home, robot.limits, robot.workspace
    outside = np.flatnonzero((home < limits.lower) | (home > limits.upper))
    if outside.size:
        k = int(outside[0])
        expected = f"within {limits.lower[k]:g} and {limits.upper[k]:g} rad, its limits"
        raise ContractError(f"robot.home[{robot.joints[k]}]", float(home[k]), expected)
    place = kinematics.tool(home)[1]
    for axis, at, low, high in zip("xyz", place, box.lower, box.upper, strict=True):
        if not low <= at <= high:
            expected = f"{axis} of the tool at home, {at:.3f} m, between lower and upper"
            raise ContractError("robot.workspace", f"{axis} from {low:g} to {high:g} m", expected)
    return place
