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
#: The body that carries fingers, sensors and wrist camera.
HAND = "panda_hand"


def add_sensors(spec: mujoco.MjSpec, robot: RobotContract) -> None:
    """Force and torque across the wrist, and a touch sensor per taxel of the contract."""
    site = spec.body(HAND).add_site(name="tool", pos=spec.body(robot.tool_frame).pos)
    for name, kind in (("force", mujoco.mjtSensor.mjSENS_FORCE), ("torque", mujoco.mjtSensor.mjSENS_TORQUE)):
        spec.add_sensor(name=f"wrist_{name}", type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=site.name)
    for name in robot.tactile:
        side, index = name.rsplit("_", 1)
        x, z = TAXELS[int(index)]
        y = 0.005 if side == "left" else -0.005
        spec.body(FINGERS[side]).add_site(
            name=name, type=mujoco.mjtGeom.mjGEOM_BOX, size=TAXEL_SIZE, pos=[x, y, z], group=4
        )
        spec.add_sensor(name=name, type=mujoco.mjtSensor.mjSENS_TOUCH, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=name)


class Sensors:
    """Reads the sensors of one compiled scene."""

    def __init__(self, model: mujoco.MjModel, robot: RobotContract) -> None:
        self._site = model.site("tool").id
        self._gripper = model.body(HAND).id
        self._weight = float(model.body_subtreemass[self._gripper] * np.linalg.norm(model.opt.gravity))
        names = ("wrist_force", "wrist_torque")
        self._wrench = np.concatenate([model.sensor_adr[model.sensor(n).id] + np.arange(3) for n in names])
        self._tactile = np.array([model.sensor_adr[model.sensor(n).id] for n in robot.tactile])

    def wrench(self, data: mujoco.MjData) -> FloatArray:
        """``[6]`` force (N) and torque (N m) that the surroundings exert on the gripper, at and in the tool frame.

        The weight of the gripper itself is taken out, as force-torque drivers do; its inertia is not.
        """
        x, y, _ = data.subtree_com[self._gripper] - data.site_xpos[self._site]
        down = -self._weight * data.site_xmat[self._site].reshape(3, 3)[2]
        lean = self._weight * (data.site_xmat[self._site].reshape(3, 3).T @ (-y, x, 0.0))
        # MuJoCo reports what the arm exerts on the gripper: the opposite of what reaches the arm through it.
        return -data.sensordata[self._wrench] - np.concatenate([down, lean])

    def tactile(self, data: mujoco.MjData) -> FloatArray:
        """``[taxels]`` normal force in N, in the contract's order."""
        return data.sensordata[self._tactile]
