"""What the arm measures: wrench at the tool, and eight taxels on the fingertips."""

import mujoco
import numpy as np

from wam_core.contract import FloatArray
from wam_core.robot.contract import RobotContract

FINGERS = {"left": "panda_leftfinger", "right": "panda_rightfinger"}
#: Centres of a finger's taxels 0..3 in the finger frame (m): two columns, two rows, inside the fingertip.
TAXELS = ((-0.005, 0.030), (0.005, 0.030), (-0.005, 0.042), (0.005, 0.042))
#: Half size of a taxel's box: together they enclose the fingertip, so that a touch from any side is felt.
TAXEL_SIZE = (0.0051, 0.0062, 0.0071)
GRIPPER = ("panda_hand", "panda_leftfinger", "panda_rightfinger")


def add_sensors(spec: mujoco.MjSpec, robot: RobotContract) -> None:
    """Force and torque across the wrist, and a touch sensor per taxel of the contract."""
    site = spec.body(GRIPPER[0]).add_site(name="tool", pos=spec.body(robot.tool_frame).pos)
    for name, kind in (("force", mujoco.mjtSensor.mjSENS_FORCE), ("torque", mujoco.mjtSensor.mjSENS_TORQUE)):
        spec.add_sensor(name=f"wrist_{name}", type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=site.name)
    for name in robot.tactile:
        side, index = name.rsplit("_", 1)
        x, z = TAXELS[int(index)]
        y = 0.005 if side == "left" else -0.005
        spec.body(FINGERS[side]).add_site(
            name=name, type=mujoco.mjtGeom.mjGEOM_BOX, size=TAXEL_SIZE, pos=[x, y, z], group=4
        )
        spec.add_sensor(
            name=name, type=mujoco.mjtSensor.mjSENS_TOUCH, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=name
        )


def read_wrench(model: mujoco.MjModel, data: mujoco.MjData) -> FloatArray:
    """``[6]`` force (N) and torque (N m) that the surroundings exert on the gripper, at and in the tool frame.

    The weight of the gripper itself is taken out, as force-torque drivers do; its inertia is not.
    """
    # MuJoCo reports what the arm exerts on the gripper: the opposite of what reaches the arm through it.
    raw = np.concatenate([data.sensor("wrist_force").data, data.sensor("wrist_torque").data])
    tool = data.site("tool")
    rotation = tool.xmat.reshape(3, 3)
    weight = np.zeros(6)
    for name in GRIPPER:
        force = model.body(name).mass[0] * model.opt.gravity
        arm = data.body(name).xipos - tool.xpos
        weight += np.concatenate([force, np.cross(arm, force)])
    return -raw - np.concatenate([rotation.T @ weight[:3], rotation.T @ weight[3:]])


def read_tactile(data: mujoco.MjData, robot: RobotContract) -> FloatArray:
    """``[taxels]`` normal force in N, in the contract's order."""
    return np.array([data.sensor(name).data[0] for name in robot.tactile])
