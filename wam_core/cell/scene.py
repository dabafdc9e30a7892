"""A compiled scene of the cell, in which objects are moved and coloured by name."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from wam_core.cell.build import AMBIENT, DIFFUSE, cell_spec
from wam_core.cell.joints import Joints
from wam_core.cell.sensors import Sensors
from wam_core.contract import FloatArray
from wam_core.robot.contract import RobotContract

#: The words of the instructions and the matte colours they name.
COLOURS: Mapping[str, tuple[float, float, float]] = {
    "red": (0.86, 0.08, 0.08),
    "green": (0.06, 0.62, 0.14),
    "blue": (0.08, 0.22, 0.88),
    "yellow": (0.96, 0.82, 0.06),
}


class Displacement(NamedTuple):
    """Least and most that a camera is moved along, and turned about, each of its axes, either way."""

    metres: tuple[float, float]
    radians: tuple[float, float]


class Scene:
    """A compiled scene; objects are moved and coloured by name, without compiling again."""

    def __init__(
        self, robot: RobotContract, add_objects: Callable[[mujoco.MjSpec], None], link_mass: float = 1.0
    ) -> None:
        spec = cell_spec(robot, link_mass)
        add_objects(spec)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self.sensors = Sensors(self.model, robot)
        self._robot = robot
        self._bodies = {self.model.body(i).name: i for i in range(self.model.nbody)}
        self._joints = Joints(self.model, robot)
        self._cameras = {
            camera.name: (self.model.cam_pos[i].copy(), self.model.cam_quat[i].copy())
            for camera in robot.cameras
            for i in [self.model.camera(camera.name).id]
        }

    def reset(self) -> None:
        """Arm at home, gripper open, everything at rest."""
        mujoco.mj_resetData(self.model, self.data)
        self._joints.put(self.data, np.concatenate([self._robot.home, self._robot.fingers.open]))

    def step(self, effort: FloatArray) -> None:
        """One time step under joint efforts ``[J + 1]``; the coupled fingers share the last one."""
        self._joints.push(self.data, effort)
        mujoco.mj_step(self.model, self.data)

    def joints(self) -> tuple[FloatArray, FloatArray]:
        """Position and velocity ``[J + 1]`` of the robot's joints in contract order."""
        return self._joints.read(self.data)

    def finger(self) -> float:
        """Position of the gripper joint in m."""
        return float(self._joints.read(self.data)[0][-1])

    def tool_position(self) -> FloatArray:
        """``[3]`` m, base frame."""
        return self.position(self._robot.tool_frame)

    def position(self, body: str) -> FloatArray:
        """``[3]`` m, base frame, of a body's origin."""
        return self.data.xpos[self._bodies[body]].copy()

    def slide(self, joint: str) -> float:
        """Position of a one-degree-of-freedom joint."""
        return float(self.data.joint(joint).qpos[0])

    def place(self, body: str, position: FloatArray, yaw: float = 0.0) -> None:
        """Put a free or mocap body somewhere, at rest (m, base frame; rad about z)."""
        quaternion = np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])
        handle = self.model.body(self._bodies[body])
        if (mocap := int(handle.mocapid[0])) >= 0:
            self.data.mocap_pos[mocap] = position
            self.data.mocap_quat[mocap] = quaternion
        else:
            start = int(self.model.jnt_qposadr[handle.jntadr[0]])
            self.data.qpos[start : start + 7] = np.concatenate([position, quaternion])

    def paint(self, body: str, rgb: tuple[float, float, float]) -> None:
        """Give every geom of a body a colour, 0..1."""
        for geom in np.flatnonzero(self.model.geom_bodyid == self.model.body(body).id):
            self.model.geom_rgba[geom, :3] = rgb

    def move_cameras(self, rng: np.random.Generator, displacement: Displacement) -> None:
        """Displace every camera from its nominal pose."""
        for name, (position, quaternion) in self._cameras.items():
            turn = Rotation.from_rotvec(_between(rng, *displacement.radians))
            nominal = Rotation.from_quat(quaternion, scalar_first=True)
            self.model.camera(name).pos[:] = position + _between(rng, *displacement.metres)
            self.model.camera(name).quat[:] = (nominal * turn).as_quat(scalar_first=True)

    def set_light(self, intensity: float) -> None:
        """Scale the nominal light."""
        self.model.light_ambient[:] = AMBIENT * intensity
        self.model.light_diffuse[:] = DIFFUSE * intensity


def _between(rng: np.random.Generator, least: float, most: float) -> FloatArray:
    """``[3]`` numbers of either sign and of a size between the two."""
    drawn = rng.uniform(least - most, most - least, 3)
    return drawn + np.copysign(least, drawn)
