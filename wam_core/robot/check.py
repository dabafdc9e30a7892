"""Whether a robot file and its URDF fit together, found out before anything moves."""

from xml.etree import ElementTree

import numpy as np

from wam_core.contract import FloatArray
from wam_core.errors import ContractError
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics

#: Where a URDF names the meshes that it would be kept from colliding by.
MESHES = "link/collision/geometry/mesh"


def check_home(robot: RobotContract) -> FloatArray:
    """Position ``[3]`` (m) of the tool at home, in the base frame.

    Raises:
        ContractError: the URDF's joints, frames or shapes are not what the contract needs, or home is outside the joint
            limits or its tool outside the workspace.
        ValueError: the URDF cannot be read.
    """
    kinematics = Kinematics(robot)
    meshes = [mesh.get("filename", "") for mesh in ElementTree.parse(share_path(robot.urdf)).findall(MESHES)]
    if meshes:
        expected = "boxes, cylinders and spheres, as `wam urdf` makes of meshes"
        raise ContractError(f"{robot.urdf}: collision", f"{len(meshes)} meshes, the first {meshes[0]}", expected)
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
