"""ROS 2 messages as CDR bytes without ROS: what the cell records is what a real robot's topics carry."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from wam_core.contract import ActionChunk, FloatArray, RobotState
from wam_core.dial import Dial
from wam_core.paths import share_path
from wam_core.robot.contract import Camera, RobotContract

#: One-step chunks of an expert or a teleoperator; the actions that training reads.
DEMONSTRATION_TOPIC = "/demonstration/action_chunk"
POLICY_TOPIC = "/wam_inference/action_chunk"
INSTRUCTION_TOPIC = "/instruction"
#: The part of the task that is being done, as whoever demonstrates it says.
SUB_INSTRUCTION_TOPIC = "/sub_instruction"
#: What answers, what it answered, and what it imagined.
MODEL_TOPIC = "/wam_inference/model"
INPUT_TOPIC = "/wam_inference/input"
FUTURE_TOPIC = "/wam_inference/future"
SURPRISE_TOPIC = "/wam_futures/surprise"
DESCRIPTION_TOPIC = "/robot_description"

IMAGE = "sensor_msgs/msg/Image"
#: Types of what cameras send.
PICTURES = (IMAGE, "sensor_msgs/msg/CompressedImage")
JOINT_STATE = "sensor_msgs/msg/JointState"
WRENCH = "geometry_msgs/msg/WrenchStamped"
TACTILE = "wam_msgs/msg/TactileArray"
ACTION_CHUNK = "wam_msgs/msg/ActionChunk"
MODEL_INPUT = "wam_msgs/msg/ModelInput"
POSE = "geometry_msgs/msg/PoseStamped"
SOUND = "wam_msgs/msg/Sound"
TEXT = "std_msgs/msg/String"


@dataclass(frozen=True)
class Encoded:
    """One serialized message: its type name and its CDR bytes."""

    type_name: str
    data: bytes


@cache
def typestore() -> Typestore:
    """The ROS 2 standard types and wam_msgs, read from the shipped ``.msg`` files."""
    store = get_typestore(Stores.ROS2_KILTED)
    definitions = {}
    for path in sorted(share_path("wam_msgs/msg").glob("*.msg")):
        definitions.update(get_types_from_msg(path.read_text(), f"wam_msgs/msg/{path.stem}"))
    store.register(definitions)
    return store


def schema_text(type_name: str) -> str:
    """The ``ros2msg`` definition of a type with all types it contains, as MCAP embeds it."""
    return typestore().generate_msgdef(type_name, ros_version=2)[0]


def encode_image(camera: Camera, image: NDArray[np.uint8], stamp_ns: int) -> Encoded:
    """``rgb8`` message of uint8 RGB ``[H, W, 3]``."""
    height, width = image.shape[:2]
    pixels = np.ascontiguousarray(image).reshape(-1)
    return encode(IMAGE, header(stamp_ns, camera.frame), height, width, "rgb8", 0, 3 * width, pixels)


def encode_grid(encoding: str, frame: str, values: NDArray[Any], stamp_ns: int) -> Encoded:
    """One-channel image of ``[H, W]`` values of the type that ``encoding`` names."""
    height, width = values.shape
    data = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
    return encode(IMAGE, header(stamp_ns, frame), height, width, encoding, 0, width * values.itemsize, data)


def encode_pose(frame: str, position: FloatArray, quaternion: FloatArray, stamp_ns: int) -> Encoded:
    """``PoseStamped`` of ``[3]`` m and ``[4]`` x y z w."""
    types = typestore().types
    point = types["geometry_msgs/msg/Point"](*position.tolist())
    turn = types["geometry_msgs/msg/Quaternion"](*quaternion.tolist())
    return encode(POSE, header(stamp_ns, frame), types["geometry_msgs/msg/Pose"](point, turn))


def encode_joint_state(robot: RobotContract, state: RobotState) -> Encoded:
    """Arm joints then the gripper joint; an unmeasured effort is an empty list."""
    effort = np.empty(0) if state.effort is None else state.effort
    names = list(robot.joint_names)
    return encode(JOINT_STATE, header(state.stamp_ns, ""), names, state.position, state.velocity, effort)


def encode_wrench(robot: RobotContract, wrench: NDArray[np.float64], stamp_ns: int) -> Encoded:
    """``[6]`` force (N) then torque (N m) in the tool frame."""
    vector = typestore().types["geometry_msgs/msg/Vector3"]
    pair = typestore().types["geometry_msgs/msg/Wrench"]
    values = [float(v) for v in wrench]
    return encode(WRENCH, header(stamp_ns, robot.tool_frame), pair(vector(*values[:3]), vector(*values[3:])))


def encode_tactile(robot: RobotContract, force: NDArray[np.float64], stamp_ns: int) -> Encoded:
    """``[taxels]`` normal force in N, all valid."""
    names = list(robot.tactile)
    valid = np.ones(len(names), dtype=np.bool_)
    return encode(TACTILE, header(stamp_ns, robot.tool_frame), names, np.asarray(force, np.float64), valid)


def encode_chunk(robot: RobotContract, chunk: ActionChunk) -> Encoded:
    """The chunk as ``wam_msgs/ActionChunk`` without spread."""
    return encode(
        ACTION_CHUNK,
        header(chunk.stamp_ns, robot.base_frame),
        _time(chunk.start_ns),
        _duration(chunk.step_ns),
        chunk.space,
        list(chunk.names),
        len(chunk.values),
        np.ascontiguousarray(chunk.values, np.float64).reshape(-1),
        np.empty(0),
        chunk.sequence,
        chunk.model,
        _duration(chunk.inference_ns),
        chunk.robot,
    )


def encode_input(
    robot: RobotContract,
    stamp_ns: int,
    sequence: int,
    instruction: str,
    image_digests: Mapping[str, str],
    proprioception: NDArray[np.float64],
    continued_sequence: int,
    committed_until_ns: int,
    dial: Dial,
) -> Encoded:
    """What a chunk was computed from as ``wam_msgs/ModelInput``."""
    return encode(
        MODEL_INPUT,
        header(stamp_ns, robot.base_frame),
        sequence,
        instruction,
        list(image_digests),
        list(image_digests.values()),
        np.asarray(proprioception, np.float64),
        continued_sequence,
        _time(committed_until_ns),
        dial.denoising_steps,
        dial.imagined_horizon,
        dial.cache_reuse,
    )


def encode_text(text: str) -> Encoded:
    return encode(TEXT, text)


def header_stamp_ns(data: bytes) -> int:
    """Stamp of a message whose first field is ``std_msgs/Header``, read from its first bytes."""
    order = "<" if data[1] & 1 else ">"
    seconds, nanoseconds = np.frombuffer(data, dtype=f"{order}i4", count=2, offset=4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def encode(type_name: str, *fields: Any) -> Encoded:
    """A message of a type from its fields in order."""
    store = typestore()
    return Encoded(type_name, bytes(store.serialize_cdr(store.types[type_name](*fields), type_name)))


def header(stamp_ns: int, frame: str) -> Any:
    """``std_msgs/Header``."""
    return typestore().types["std_msgs/msg/Header"](_time(stamp_ns), frame)


def _time(stamp_ns: int) -> Any:
    return typestore().types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))


def _duration(span_ns: int) -> Any:
    return typestore().types["builtin_interfaces/msg/Duration"](*divmod(span_ns, 1_000_000_000))
