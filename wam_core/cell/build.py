"""What is in every scene: the arm of the contract, the table it stands on, light and cameras."""

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from wam_core.cell.sensors import HAND, add_sensors
from wam_core.contract import FloatArray
from wam_core.errors import ContractError, look_up
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract

#: Contact bits: the arm touches the cell but not itself (its own collisions are the executor's concern).
ARM_BIT, CELL_BIT = 1, 2

#: A finger drive's reflected inertia and friction: kg and N s/m for one that slides, kg m^2 and N m s/rad for one that
#: turns.
FINGER_DRIVE: Mapping[mujoco.mjtJoint, tuple[float, float]] = {
    mujoco.mjtJoint.mjJNT_SLIDE: (0.15, 8.0),
    mujoco.mjtJoint.mjJNT_HINGE: (0.002, 0.05),
}

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
    "wrist": View(HAND, (0.11, 0.0, 0.0), (0.05, 0.0, 0.14), (1.0, 0.0, 0.0), 85.0),
}


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


def cell_spec(robot: RobotContract, link_mass: float = 1.0) -> mujoco.MjSpec:
    """The cell without a task's objects, still to be compiled.

    Args:
        link_mass: mass and inertia of each link, as a multiple of what the URDF says.

    Raises:
        ContractError: the robot has no hand of the cell's kind, or a camera the cell has no place for.
    """
    spec = arm_spec(robot)
    if spec.body(HAND) is None:
        raise ContractError("robot.urdf", robot.urdf, f"an arm with the link {HAND}")
    for body in spec.bodies:
        body.mass *= link_mass
        body.inertia, body.fullinertia = body.inertia * link_mass, body.fullinertia * link_mass
    add_surroundings(spec)
    _add_cameras(spec, robot)
    add_sensors(spec, robot)
    return spec


def arm_spec(robot: RobotContract) -> mujoco.MjSpec:
    """The contract's URDF with its drive and payload, and nothing around it; fingers have the drive of
    :data:`FINGER_DRIVE`."""
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
        if joint.name not in robot.joints:
            joint.armature, damping = FINGER_DRIVE[joint.type]
            joint.damping = [damping, 0.0, 0.0]
        elif robot.drive is not None:
            axis = robot.joints.index(joint.name)
            joint.armature, joint.frictionloss = robot.drive.inertia[axis], robot.drive.coulomb[axis]
            joint.damping = [robot.drive.viscous[axis], 0.0, 0.0]
    if robot.payload is not None:
        load = spec.body(robot.tool_frame).add_body(name="payload")
        load.explicitinertial, load.mass, load.ipos = True, robot.payload.mass, robot.payload.centre
        load.inertia = [1e-9] * 3
    for equality in spec.equalities:
        equality.solref = [0.005, 1.0]
    return spec


def _arm_colour(body: str) -> list[float]:
    if "finger" in body:
        return [0.10, 0.10, 0.11, 1.0]
    return [0.30, 0.31, 0.34, 1.0] if body == HAND else [0.84, 0.84, 0.83, 1.0]


def add_surroundings(spec: mujoco.MjSpec) -> None:
    """Table, floor and light."""
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


def _add_cameras(spec: mujoco.MjSpec, robot: RobotContract) -> None:
    spec.visual.global_.offwidth = max(c.width for c in robot.cameras)
    spec.visual.global_.offheight = max(c.height for c in robot.cameras)
    for camera in robot.cameras:
        view = look_up(VIEWS, camera.name, "camera")
        quaternion = Rotation.from_matrix(view.rotation()).as_quat(scalar_first=True)
        spec.body(view.body).add_camera(name=camera.name, pos=view.position, quat=quaternion, fovy=view.fovy)
