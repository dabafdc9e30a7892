"""The robot contract: what a robot publishes, accepts and must never exceed, read from one YAML file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from wam_core.contract import ACTION_SPACES, FloatArray, check_finite
from wam_core.errors import ContractError, look_up
from wam_core.fields import exact_fields
from wam_core.paths import share_path
from wam_core.robot.body import ActionSpec, Body
from wam_core.robot.fingers import HAND_FINGERS, Fingers, Gripper, of_gripper
from wam_core.robot.lens import Lens, read_lens
from wam_core.robot.safety import Safety, read_safety
from wam_core.robot.senses import Sense, read_senses

#: Columns of an ``ee_pose`` vector; proprioception is one too. An arm that carries nothing has no ``gripper``.
TOOL_POSE_NAMES = ("x", "y", "z", "rx", "ry", "rz", "gripper")

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
    """One camera stream as it is published; ``frame`` is its optical frame, in the URDF if anything needs geometry."""

    name: str
    topic: str
    frame: str
    width: int
    height: int
    lens: Lens | None = None


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

    def sense(self, name: str) -> Sense:
        return look_up({s.name: s for s in self.senses}, name, "sense")

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, the same shape as the YAML file; ``from_dict`` reads it back."""
        return _plain(asdict(self))


def contract_of(body: Body) -> RobotContract:
    """The robot contract that ``body`` is.

    Raises:
        ContractError: it is a benchmark's embodiment, which has no joints, limits or geometry.
    """
    if not isinstance(body, RobotContract):
        raise ContractError("robot", body.name, "a robot contract, which a benchmark's embodiment is not")
    return body


def load_robot(name_or_path: str) -> RobotContract:
    """Read ``config/robots/<name>.yaml`` or a file given by path.

    Raises:
        ContractError: unknown name, missing or unknown field, wrong length, unordered limits, a posture of the fingers
            beyond them, columns other than those of the action space.
    """
    path = Path(name_or_path)
    if path.suffix != ".yaml":
        folder = share_path("config/robots")
        path = look_up({p.stem: p for p in folder.glob("*.yaml")}, name_or_path, "robot")
    return from_dict(yaml.safe_load(path.read_text()), str(path))


def from_dict(raw: Mapping[str, Any], source: str = "robot") -> RobotContract:
    """Build and check a contract; errors name ``source`` and the dotted field."""
    fields = exact_fields(RobotContract, raw, source)
    arms = len(fields["joints"])
    limits = _vectors(exact_fields(JointLimits, raw["limits"], f"{source}.limits"), arms, f"{source}.limits")
    for name, bound in limits.items():
        if name not in ("lower", "upper") and np.any(bound <= 0):
            raise ContractError(f"{source}.limits.{name}", bound.tolist(), "positive numbers")
    if np.any(limits["lower"] >= limits["upper"]):
        raise ContractError(f"{source}.limits.lower", limits["lower"].tolist(), "below limits.upper for each joint")
    workspace = exact_fields(Workspace, raw["workspace"], f"{source}.workspace")
    box = _vectors({k: workspace[k] for k in ("lower", "upper")}, 3, f"{source}.workspace")
    gains = _vectors(exact_fields(Gains, raw["gains"], f"{source}.gains"), arms, f"{source}.gains")
    action = exact_fields(ActionSpec, raw["action"], f"{source}.action")
    look_up(TRACKED_SPACES, action["space"], f"{source}.action.space")
    command = fields.get("command", "effort")
    look_up(COMMANDS, command, f"{source}.command")
    fingers = _fingers(raw, source)
    grips = fingers["gripper"] is not None or fingers["hand"] is not None
    columns = column_names(action["space"], tuple(raw["joints"]), grips)
    return RobotContract(
        name=fields["name"],
        urdf=fields["urdf"],
        base_frame=fields["base_frame"],
        tool_frame=fields["tool_frame"],
        tool_reference_rpy=_vectors({"tool_reference_rpy": raw["tool_reference_rpy"]}, 3, source)["tool_reference_rpy"],
        home=_vectors({"home": raw["home"]}, arms, source)["home"],
        joints=tuple(raw["joints"]),
        limits=JointLimits(**limits),
        workspace=Workspace(**box, speed=float(workspace["speed"])),
        gains=Gains(**gains),
        rates=Rates(**exact_fields(Rates, raw["rates"], f"{source}.rates")),
        staleness=Staleness(**exact_fields(Staleness, raw["staleness"], f"{source}.staleness")),
        cameras=tuple(_camera(c, f"{source}.cameras") for c in raw["cameras"]),
        topics=Topics(**exact_fields(Topics, raw["topics"], f"{source}.topics")),
        tactile=tuple(raw["tactile"]),
        action=ActionSpec(space=action["space"], names=_columns(action["names"], columns, f"{source}.action.names")),
        proprioception=_columns(raw["proprioception"], column_names("ee_pose", (), grips), f"{source}.proprioception"),
        command=command,
        drive=_drive(raw.get("drive"), arms, source),
        payload=_payload(raw.get("payload"), source),
        safety=read_safety(raw.get("safety", {}), f"{source}.safety"),
        senses=read_senses(raw.get("senses", ()), [c["name"] for c in raw["cameras"]], f"{source}.senses"),
        **fingers,
    )


def _camera(raw: Mapping[str, Any], source: str) -> Camera:
    fields = exact_fields(Camera, raw, source)
    lens = fields.pop("lens", None)
    return Camera(**fields, lens=read_lens(lens, fields["width"], fields["height"], f"{source}.{fields['name']}.lens"))


def _fingers(raw: Mapping[str, Any], source: str) -> dict[str, Any]:
    """``gripper`` and ``hand``, at most one of which is there."""
    if raw.get("gripper") is not None and raw.get("hand") is not None:
        raise ContractError(f"{source}.hand", raw["hand"], "a gripper or a hand, not both")
    if raw.get("gripper") is not None:
        gripper = Gripper(**exact_fields(Gripper, raw["gripper"], f"{source}.gripper"))
        if gripper.open == gripper.closed:
            raise ContractError(f"{source}.gripper.open", gripper.open, "another position than closed")
        return {"gripper": gripper, "hand": None}
    if raw.get("hand") is None:
        return {"gripper": None, "hand": None}
    name = f"{source}.hand"
    fields = exact_fields(Fingers, raw["hand"], name)
    joints, tips = tuple(fields.pop("joints")), dict(fields.pop("tips", {}))
    for finger in tips:
        look_up(HAND_FINGERS, finger, f"{name}.tips")
    hand = Fingers(joints, **_vectors(fields, len(joints), name), tips=tips)
    for posture in ("closed", "open"):
        values = getattr(hand, posture)
        if np.any((values < hand.lower) | (values > hand.upper)):
            raise ContractError(f"{name}.{posture}", values.tolist(), "within lower and upper")
    if not np.any(hand.open != hand.closed):
        raise ContractError(f"{name}.open", hand.open.tolist(), "another posture than closed")
    return {"gripper": None, "hand": hand}


def _drive(raw: Mapping[str, Any] | None, arms: int, source: str) -> Drive | None:
    if raw is None:
        return None
    drive = _vectors(exact_fields(Drive, raw, f"{source}.drive"), arms, f"{source}.drive")
    for name, values in drive.items():
        if np.any(values < 0.0):
            raise ContractError(f"{source}.drive.{name}", values.tolist(), "numbers >= 0")
    return Drive(**drive)


def _payload(raw: Mapping[str, Any] | None, source: str) -> Payload | None:
    if raw is None:
        return None
    fields = exact_fields(Payload, raw, f"{source}.payload")
    if not fields["mass"] >= 0.0:
        raise ContractError(f"{source}.payload.mass", fields["mass"], "a mass >= 0 kg")
    centre = _vectors({"centre": fields["centre"]}, 3, f"{source}.payload")["centre"]
    return Payload(float(fields["mass"]), centre)


def _columns(found: object, expected: tuple[str, ...], field: str) -> tuple[str, ...]:
    """Columns are read by position: other names, or another order, would name what is not there."""
    if found != list(expected):
        raise ContractError(field, found, f"{list(expected)} in this order")
    return expected


def _vectors(raw: Mapping[str, Any], length: int, source: str) -> dict[str, FloatArray]:
    out = {}
    for name, value in raw.items():
        array = np.asarray(value, dtype=np.float64)
        if array.shape != (length,):
            raise ContractError(f"{source}.{name}", value, f"a list of {length} numbers")
        check_finite(f"{source}.{name}", array)
        array.setflags(write=False)
        out[name] = array
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value.tolist() if isinstance(value, np.ndarray) else value
