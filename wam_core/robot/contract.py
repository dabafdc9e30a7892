"""The robot contract: what a robot publishes, accepts and must never exceed; :mod:`robot_file` reads it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import ACTION_SPACES, FloatArray
from wam_core.errors import ContractError, look_up
from wam_core.robot.body import ActionSpec, Body
from wam_core.robot.crop import Crop
from wam_core.robot.distortion import Distortion
from wam_core.robot.fingers import Fingers, Gripper, of_gripper
from wam_core.robot.lens import Lens
from wam_core.robot.safety import Safety
from wam_core.robot.senses import Sense

Scalar = TypeVar("Scalar", bound=np.generic)

#: Columns of an ``ee_pose`` vector; proprioception is one too. An arm that carries nothing has no ``gripper``.
TOOL_POSE_NAMES = ("x", "y", "z", "rx", "ry", "rz", "gripper")

#: How a camera's images travel: their message on its topic.
TRANSPORTS: Mapping[str, str] = {
    "raw": "sensor_msgs/Image",
    "compressed": "sensor_msgs/CompressedImage: JPEG or PNG, as image_transport's plugin of this name publishes",
}

#: What an arm's driver takes, on the topic ``joint_command``.
COMMANDS: Mapping[str, str] = {
    "effort": "sensor_msgs/JointState: reference and N m (N), every control tick",
    "forward_effort": "std_msgs/Float64MultiArray: N m (N) in the order of the joints, every control tick",
    "position": "std_msgs/Float64MultiArray: rad (m) in the order of the joints, every control tick",
    "trajectory": "trajectory_msgs/JointTrajectory: stamped references ahead, ending in the verified stop",
}


#: Points of a hand in MediaPipe's order, from the wrist outwards.
HAND_POINTS = (
    "wrist",
    *(f"thumb_{part}" for part in ("cmc", "mcp", "ip", "tip")),
    *(f"{finger}_{part}" for finger in ("index", "middle", "ring", "pinky") for part in ("mcp", "pip", "dip", "tip")),
)

#: Spaces that an arm is controlled in, and that recordings have; chunks in any other are brought to one of these.
TRACKED_SPACES: Mapping[str, str] = {name: ACTION_SPACES[name] for name in ("joint_position", "ee_pose")}


def column_names(space: str, joints: tuple[str, ...], grips: bool = True, points: int = 3) -> tuple[str, ...]:
    """Columns of a vector in ``space`` for an arm of these joints, in the order in which they are read.

    Args:
        grips: whether the arm carries something that opens and closes.
        points: how many, for ``object_points``.
    """
    if space == "tool_pose":
        return TOOL_POSE_NAMES[:-1]
    if space in ("object_points", "hand_keypoints"):
        names = HAND_POINTS if space == "hand_keypoints" else tuple(f"point{k}" for k in range(points))
        return tuple(f"{name}_{axis}" for name in names for axis in "xyz")
    columns = (*joints, "gripper") if space.startswith("joint_") else TOOL_POSE_NAMES
    return columns if grips else columns[:-1]


@dataclass(frozen=True)
class JointLimits:
    """Per arm joint, ``[J]`` each: rad, rad/s, rad/s^2, rad/s^3, N m, N m/s."""

    lower: FloatArray
    upper: FloatArray
    velocity: FloatArray
    acceleration: FloatArray
    jerk: FloatArray
    torque: FloatArray
    torque_rate: FloatArray


@dataclass(frozen=True)
class Workspace:
    """Box the tool stays in (m, base frame) and its greatest speed (m/s)."""

    lower: FloatArray
    upper: FloatArray
    speed: float


@dataclass(frozen=True)
class Gains:
    """Joint tracking gains, ``[J]``: N m/rad and N m s/rad."""

    stiffness: FloatArray
    damping: FloatArray


@dataclass(frozen=True)
class Drive:
    """What moves with each arm joint beside the links, ``[J]``: viscous friction N m s/rad, Coulomb friction N m,
    inertia of rotor and gear as felt at the joint kg m^2. Zero where it is not known."""

    viscous: FloatArray
    coulomb: FloatArray
    inertia: FloatArray


@dataclass(frozen=True)
class Payload:
    """A body fixed to the tool, beyond what the URDF has: kg, and its centre of mass in the tool frame ``[3]`` m."""

    mass: float
    centre: FloatArray


@dataclass(frozen=True)
class Rates:
    """Hz of the control loop, of chunk steps and of the cameras."""

    control_hz: float
    action_hz: float
    camera_hz: float


@dataclass(frozen=True)
class Staleness:
    """Greatest accepted age in s of joint state, images and chunk (after its last step)."""

    state_s: float
    image_s: float
    chunk_s: float


@dataclass(frozen=True)
class Camera:
    """One camera stream as it is published; ``frame`` is its optical frame, in the URDF if anything needs geometry.

    Attributes:
        width, height: of the pictures that are published.
        lens: of straight pictures of that size: those that are published, or what they are undistorted to.
        distortion: of the pictures that are published; none where they are to be looked at as they are.
        transport: a key of :data:`TRANSPORTS`; what a recording holds, its own messages say.
        crop: what of the straight picture is looked at; all of it where there is none.
    """

    name: str
    topic: str
    frame: str
    width: int
    height: int
    lens: Lens | None = None
    distortion: Distortion | None = None
    transport: str = "raw"
    crop: Crop | None = None

    @property
    def camera_info(self) -> str:
        """Topic on which its driver must say the same calibration; empty where it is not listened to."""
        return self.distortion.camera_info if self.distortion else ""

    @property
    def window(self) -> tuple[int, int, int, int]:
        """(top, left, height, width) in the straight picture of what is looked at."""
        crop = self.crop or Crop(0, 0, self.width, self.height)
        return crop.y_offset, crop.x_offset, crop.height, crop.width

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the pictures that are looked at."""
        return self.window[2:]

    @property
    def looked_through(self) -> Lens | None:
        """The lens of the pictures that are looked at."""
        top, left, _, _ = self.window
        return None if self.lens is None else self.lens.cropped(left, top)

    def cut(self, picture: NDArray[Scalar]) -> NDArray[Scalar]:
        """What is looked at of a straight picture ``[height, width, ...]``, or of what goes with it pixel by pixel."""
        top, left, high, wide = self.window
        return picture[top : top + high, left : left + wide]

    def straight(self) -> "Camera":
        """One that publishes the pictures that are looked at."""
        height, width = self.size
        return replace(self, width=width, height=height, lens=self.looked_through, distortion=None, crop=None)


@dataclass(frozen=True)
class Topics:
    joint_states: str
    joint_command: str
    wrench: str
    tactile: str


@dataclass(frozen=True)
class RobotContract:
    """Everything a model, the executor and a recording must agree on about one robot."""

    name: str
    urdf: str
    base_frame: str
    tool_frame: str
    tool_reference_rpy: FloatArray
    joints: tuple[str, ...]
    home: FloatArray
    limits: JointLimits
    workspace: Workspace
    gains: Gains
    rates: Rates
    staleness: Staleness
    cameras: tuple[Camera, ...]
    topics: Topics
    tactile: tuple[str, ...]
    action: ActionSpec
    proprioception: tuple[str, ...]
    gripper: Gripper | None = None
    hand: Fingers | None = None
    command: str = "effort"
    drive: Drive | None = None
    payload: Payload | None = None
    safety: Safety = Safety()
    senses: tuple[Sense, ...] = ()

    @cached_property
    def fingers(self) -> Fingers:
        """What the arm carries; of no joints when it carries nothing."""
        return of_gripper(self.gripper) if self.hand is None else self.hand

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Arm joints, then the finger joints: the order of every state and command."""
        return (*self.joints, *self.fingers.joints)

    @property
    def servo(self) -> bool:
        """Whether the arm's own driver closes the loop: it is told where to be, not how hard to push."""
        return self.command not in ("effort", "forward_effort")

    @property
    def effort_limit(self) -> FloatArray:
        """Greatest effort in the order of ``joint_names``, N m (N)."""
        return np.concatenate([self.limits.torque, self.fingers.force])

    @property
    def step_ns(self) -> int:
        """Time between two chunk steps."""
        return round(1e9 / self.rates.action_hz)

    def camera(self, name: str) -> Camera:
        return look_up({c.name: c for c in self.cameras}, name, "camera")

    def straight(self) -> "RobotContract":
        """The same of a robot whose cameras publish the pictures that are looked at."""
        return replace(self, cameras=tuple(camera.straight() for camera in self.cameras))

    def sense(self, name: str) -> Sense:
        return look_up({s.name: s for s in self.senses}, name, "sense")

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, the same shape as the YAML file; ``robot_file.from_dict`` reads it back."""
        return _plain(asdict(self))


def contract_of(body: Body) -> RobotContract:
    """The robot contract that ``body`` is.

    Raises:
        ContractError: it is a benchmark's embodiment, which has no joints, limits or geometry.
    """
    if not isinstance(body, RobotContract):
        raise ContractError("robot", body.name, "a robot contract, which a benchmark's embodiment is not")
    return body


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value.tolist() if isinstance(value, np.ndarray) else value
