"""The cell's scene: table, arm, cameras, light and sensors around a task's objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from wam_core.cell.sensors import Sensors, add_sensors
from wam_core.contract import FloatArray
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract

#: The words of the instructions and the matte colours they name.
COLOURS: Mapping[str, tuple[float, float, float]] = {
    "red": (0.86, 0.08, 0.08),
    "green": (0.06, 0.62, 0.14),
    "blue": (0.08, 0.22, 0.88),
    "yellow": (0.96, 0.82, 0.06),
}

#: Contact bits: the arm touches the cell but not itself (its own collisions are the executor's concern).
ARM_BIT, CELL_BIT = 1, 2

#: The finger drive's reflected inertia (kg) and friction (N s/m), per finger.
FINGER_ARMATURE, FINGER_DAMPING = 0.15, 8.0

AMBIENT, DIFFUSE = 0.62, 0.38


@dataclass(frozen=True)
class View:
    """Where a camera stands and what it looks at: m, in the frame of ``body``; ``fovy`` in degrees."""

    body: str
    position: tuple[float, float, float]
    target: tuple[float, float, float]
    up: tuple[float, float, float]
    fovy: float

    def rotation(self) -> FloatArray:
        """``[3, 3]`` camera in body frame; the camera looks along its -z, y up."""
        back = np.subtract(self.position, self.target)
        back = back / np.linalg.norm(back)
        right = np.cross(self.up, back)
        right = right / np.linalg.norm(right)
        return np.stack([right, np.cross(back, right), back], axis=1)


#: Views by camera name; a contract may use any of them.
VIEWS: Mapping[str, View] = {
    "front": View("world", (1.10, 0.0, 0.85), (0.505, 0.0, 0.0), (0.0, 0.0, 1.0), 36.0),
    "side": View("world", (0.50, 1.05, 0.55), (0.46, 0.0, 0.10), (0.0, 0.0, 1.0), 45.0),
    "wrist": View("panda_hand", (0.11, 0.0, 0.0), (0.05, 0.0, 0.14), (1.0, 0.0, 0.0), 85.0),
}


class Scene:
    """A compiled scene; objects are moved and coloured by name, without compiling again."""

    def __init__(self, robot: RobotContract, add_objects: Callable[[mujoco.MjSpec], None]) -> None:
        spec = _arm(robot)
        _surroundings(spec, robot)
        add_sensors(spec, robot)
        add_objects(spec)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self.sensors = Sensors(self.model, robot)
        self._robot = robot
        self._bodies = {self.model.body(i).name: i for i in range(self.model.nbody)}
        joints = [self.model.joint(name) for name in robot.joint_names]
        coupled = int(self.model.eq_obj1id[self.model.eq_obj2id == joints[-1].id][0])
        self._qpos = np.array([int(joint.qposadr[0]) for joint in joints])
        self._dofs = np.array([int(joint.dofadr[0]) for joint in joints])
        self._coupled_qpos = int(self.model.jnt_qposadr[coupled])
        self._coupled_dof = int(self.model.jnt_dofadr[coupled])
        self._cameras = {
            camera.name: (self.model.cam_pos[i].copy(), self.model.cam_quat[i].copy())
            for camera in robot.cameras
            for i in [self.model.camera(camera.name).id]
        }

    def reset(self) -> None:
        """Arm at home, gripper open, everything at rest."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[self._qpos] = np.append(self._robot.home, self._robot.gripper.open)
        self.data.qpos[self._coupled_qpos] = self._robot.gripper.open

    def step(self, effort: FloatArray) -> None:
        """One time step under joint efforts ``[J + 1]``; the coupled fingers share the last one."""
        self.data.qfrc_applied[self._dofs] = effort
        self.data.qfrc_applied[self._dofs[-1]] = self.data.qfrc_applied[self._coupled_dof] = effort[-1] / 2
        mujoco.mj_step(self.model, self.data)

    def joints(self) -> tuple[FloatArray, FloatArray]:
        """Position and velocity ``[J + 1]`` of the robot's joints in contract order."""
        return self.data.qpos[self._qpos], self.data.qvel[self._dofs]

    def finger(self) -> float:
        """Position of the gripper joint in m."""
        return float(self.data.qpos[self._qpos[-1]])

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

    def paint(self, body: str, colour: str) -> None:
        """Give every geom of a body the colour of that name."""
        for geom in np.flatnonzero(self.model.geom_bodyid == self.model.body(body).id):
            self.model.geom_rgba[geom, :3] = COLOURS[colour]

    def move_cameras(self, rng: np.random.Generator, metres: float, radians: float) -> None:
        """Displace every camera from its nominal pose, each axis within the given bounds."""
        for name, (position, quaternion) in self._cameras.items():
            turn = Rotation.from_rotvec(rng.uniform(-radians, radians, 3))
            nominal = Rotation.from_quat(quaternion, scalar_first=True)
            self.model.camera(name).pos[:] = position + rng.uniform(-metres, metres, 3)
            self.model.camera(name).quat[:] = (nominal * turn).as_quat(scalar_first=True)

    def set_light(self, intensity: float) -> None:
        """Scale the nominal light."""
        self.model.light_ambient[:] = AMBIENT * intensity
        self.model.light_diffuse[:] = DIFFUSE * intensity


def add_solid(
    body: mujoco.MjsBody,
    shape: mujoco.mjtGeom,
    size: tuple[float, ...],
    position: tuple[float, float, float] = (0.0, 0.0, 0.0),
    grey: float = 0.5,
    mass: float = 0.0,
    friction: float = 0.6,
) -> None:
    """Add a geom that collides with arm and cell; half extents in m, mass in kg, sliding friction that rules."""
    body.add_geom(
        type=shape,
        size=[*size, *[0.0] * (3 - len(size))],
        pos=position,
        rgba=[grey, grey, grey, 1.0],
        mass=mass,
        friction=[friction, 0.005, 0.0001],
        priority=1 if mass > 0 else 0,
        contype=CELL_BIT,
        conaffinity=ARM_BIT | CELL_BIT,
        condim=4,
    )


def add_mark(body: mujoco.MjsBody, shape: mujoco.mjtGeom, size: tuple[float, ...]) -> None:
    """Add a geom that is seen but not felt."""
    body.add_geom(type=shape, size=[*size, *[0.0] * (3 - len(size))], contype=0, conaffinity=0, mass=0.0)


def _arm(robot: RobotContract) -> mujoco.MjSpec:
    spec = mujoco.MjSpec.from_file(str(share_path(robot.urdf)))
    spec.compiler.fusestatic = False
    spec.compiler.discardvisual = False
    spec.modelname = robot.name
    spec.option.timestep = 1.0 / robot.rates.control_hz
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    for geom in spec.geoms:
        geom.contype, geom.conaffinity = ARM_BIT, CELL_BIT
        geom.rgba = _arm_colour(geom.parent.name)
        geom.friction = [0.8, 0.005, 0.0001]
    for joint in spec.joints:
        if joint.type == mujoco.mjtJoint.mjJNT_SLIDE:
            joint.armature, joint.damping = FINGER_ARMATURE, [FINGER_DAMPING, 0.0, 0.0]
    for equality in spec.equalities:
        equality.solref = [0.005, 1.0]
    return spec


def _arm_colour(body: str) -> list[float]:
    if "finger" in body:
        return [0.10, 0.10, 0.11, 1.0]
    return [0.30, 0.31, 0.34, 1.0] if body == "panda_hand" else [0.84, 0.84, 0.83, 1.0]


def _surroundings(spec: mujoco.MjSpec, robot: RobotContract) -> None:
    world = spec.worldbody
    box = mujoco.mjtGeom.mjGEOM_BOX
    add_solid(world, box, (0.60, 0.75, 0.02), (0.35, 0.0, -0.02), grey=0.60)
    add_solid(world, box, (3.0, 3.0, 0.02), (0.35, 0.0, -0.50), grey=0.25)
    world.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[0.5, 0.0, 2.0],
        dir=[-0.35, -0.25, -0.90],
        ambient=[AMBIENT] * 3,
        diffuse=[DIFFUSE] * 3,
        specular=[0.0] * 3,
        castshadow=False,
    )
    spec.visual.headlight.active = False
    spec.visual.quality.offsamples = 0
    spec.visual.quality.numslices = 48
    spec.visual.quality.numstacks = 32
    spec.visual.map.znear, spec.visual.map.zfar = 0.01, 10.0
    spec.stat.extent = 1.0
    spec.visual.global_.offwidth = max(c.width for c in robot.cameras)
    spec.visual.global_.offheight = max(c.height for c in robot.cameras)
    for camera in robot.cameras:
        view = VIEWS[camera.name]
        quaternion = Rotation.from_matrix(view.rotation()).as_quat(scalar_first=True)
        spec.body(view.body).add_camera(name=camera.name, pos=view.position, quat=quaternion, fovy=view.fovy)
