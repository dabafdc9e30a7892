"""A recording as synchronised episodes, one per instruction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray, RobotState, check_finite
from wam_core.data import messages
from wam_core.data.calibration import check_camera_info
from wam_core.data.decode import RowDecoder, row_streams
from wam_core.data.episode import Episode
from wam_core.data.recorder import EPISODE_RECORD, OUTCOME_RECORD
from wam_core.data.recording import RecordedMessage, Recording, recorded_contract
from wam_core.data.senses import decode_sense, heard
from wam_core.data.synchronise import IntArray, Stream, align, newest_not_after
from wam_core.errors import ContractError
from wam_core.preprocess.raw import camera_image
from wam_core.robot.contract import Camera, RobotContract
from wam_core.robot.kinematics import Kinematics, proprioception
from wam_core.robot.senses import SENSES, Sense, form

JOINTS, ACTIONS = "joint_states", "actions"

#: Bytes up to the end of a header's stamp; most messages of a calibration differ in them alone.
_STAMPED = 12

#: Message types read whole in the first pass.
_SMALL = frozenset((messages.JOINT_STATE, messages.WRENCH, messages.TACTILE, messages.ACTION_CHUNK, messages.TEXT))


def read_episode(
    path: Path, robot: RobotContract | None = None, cameras: Sequence[str] | None = None, channels: Sequence[str] = ()
) -> Episode:
    """:func:`read_episodes` of a recording that has one instruction.

    Raises:
        ContractError: the recording has several, or anything that :func:`read_episodes` raises.
    """
    found = read_episodes(path, robot, cameras, channels)
    if len(found) > 1:
        raise ContractError(f"{path.name}:instruction", [e.instruction for e in found], "one episode")
    return found[0]


def read_episodes(
    path: Path, robot: RobotContract | None = None, cameras: Sequence[str] | None = None, channels: Sequence[str] = ()
) -> tuple[Episode, ...]:
    """Read and synchronise one recording; a new instruction begins a new episode, none or an empty one ends it.

    Args:
        robot: contract of a recording that embeds none (e.g. made by ``ros2 bag record``).
        cameras: which to read; by default those its metadata names, else all of the contract.
        channels: of the scenes, whose senses are read as far as they were recorded; of cameras, of those that are read.

    Raises:
        ContractError: names the file and stream: a camera or joint is missing, stamps go backwards, a value is not
            finite, an image or chunk does not fit the contract, or no instant has an instruction and all streams.
    """
    recording = Recording(path)
    topics, image_stamps, small = _scan(recording)
    robot = recorded_contract(recording, robot)
    metadata = recording.metadata.get(EPISODE_RECORD, {}) | recording.metadata.get(OUTCOME_RECORD, {})
    wanted = [robot.camera(name) for name in _camera_names(robot, metadata, cameras)]
    _check_calibrations(recording, topics, wanted)
    image_age, state_age = round(robot.staleness.image_s * 1e9), round(robot.staleness.state_s * 1e9)
    streams = {c.name: Stream(np.array(image_stamps.get(c.topic, []), np.int64), image_age) for c in wanted}
    rows: dict[str, FloatArray] = {}
    for name, (topic, decode) in row_streams(robot).items():
        if topic in small or name == JOINTS:
            stamps, rows[name] = _rows(recording, robot, small.get(topic, []), decode)
            half = robot.step_ns // 2
            # An action belongs to the instant nearest to the observation it answers, however the clock jitters.
            streams[name] = Stream(stamps, half, half) if name == ACTIONS else Stream(stamps, state_age)

    sensed = {
        sense.name: read_sense(recording, robot, sense)
        for sense in robot.senses
        if SENSES[sense.kind].channel in channels
        and sense.camera in ("", *(c.name for c in wanted))
        and sense.topic in topics
    }
    streams |= {name: Stream(stamps, image_age) for name, (stamps, _) in sensed.items()}
    anchor = streams[ACTIONS if ACTIONS in streams else next(iter(streams))].stamps_ns
    aligned = align(streams, int(anchor[0]) if len(anchor) else 0, robot.step_ns, path.name)
    instructions = np.full(len(aligned.instants_ns), metadata.get("instruction", ""))
    if messages.INSTRUCTION_TOPIC in small:
        instructions = _in_force(recording, small[messages.INSTRUCTION_TOPIC], aligned.instants_ns)
    keep = instructions != ""
    if ACTIONS not in rows:
        keep &= aligned.instants_ns + robot.step_ns <= streams[JOINTS].stamps_ns[-1]
    if not np.any(keep):
        found = f"{len(keep)} instants with all streams, {np.count_nonzero(instructions != '')} with an instruction"
        raise ContractError(path.name, found, "one or more with both")
    instants = aligned.instants_ns[keep]
    index = {name: i[keep] for name, i in aligned.index.items()}

    doing = small.get(messages.SUB_INSTRUCTION_TOPIC, [])
    kinematics = Kinematics(robot)
    position = rows[JOINTS][index[JOINTS]]
    if ACTIONS in rows:
        actions = rows[ACTIONS][index[ACTIONS]]
    else:
        later = newest_not_after(streams[JOINTS].stamps_ns, instants + robot.step_ns)
        actions = _reached(robot, kinematics, rows[JOINTS][later])
    whole = Episode(
        path=path,
        robot=robot,
        instruction="",
        stamps_ns=instants,
        images=_images(recording, wanted, index),
        image_stamps_ns={c.name: streams[c.name].stamps_ns[index[c.name]] for c in wanted},
        joint_position=position,
        proprioception=_poses(kinematics, position),
        actions=actions,
        wrench=rows["wrench"][index["wrench"]] if "wrench" in rows else None,
        tactile=rows["tactile"][index["tactile"]] if "tactile" in rows else None,
        senses={name: values[index[name]] for name, (_, values) in sensed.items()},
        gaps=aligned.gaps,
        sub_instructions=_in_force(recording, doing, instants) if doing else None,
        metadata=metadata
        | {
            "actions": "recorded" if ACTIONS in rows else "derived from the measured pose",
            "complete": str(recording.complete).lower(),
        },
    )
    changes = np.concatenate([[0], np.cumsum(instructions[1:] != instructions[:-1])])[keep]
    starts = [0, *(np.flatnonzero(np.diff(changes)) + 1)]
    given = [str(text) for text in instructions[keep][starts]]
    if len(starts) == 1:
        return (replace(whole, instruction=given[0]),)
    ends = [*starts[1:], len(changes)]
    return tuple(replace(whole.between(a, b), instruction=text) for a, b, text in zip(starts, ends, given, strict=True))


def _scan(recording: Recording) -> tuple[set[str], dict[str, list[int]], dict[str, list[RecordedMessage]]]:
    """Topics, and by topic the stamps of images and the small messages themselves; pixels are read once needed."""
    topics: set[str] = set()
    image_stamps: dict[str, list[int]] = {}
    small: dict[str, list[RecordedMessage]] = {}
    for message in recording.messages():
        topics.add(message.topic)
        if message.type_name in messages.PICTURES:
            image_stamps.setdefault(message.topic, []).append(messages.header_stamp_ns(message.data))
        elif message.type_name in _SMALL:
            small.setdefault(message.topic, []).append(message)
    return topics, image_stamps, small


def _check_calibrations(recording: Recording, topics: set[str], cameras: Sequence[Camera]) -> None:
    """That what the drivers said of their lenses, where it was recorded, is what pictures are undistorted by."""
    published = {c.camera_info: c for c in cameras if c.camera_info in topics}
    said = set[tuple[str, bytes]]()
    for message in recording.messages(published) if published else ():
        if (words := (message.topic, message.data[_STAMPED:])) not in said:
            check_camera_info(published[message.topic], recording.decode(message))
        said.add(words)


def _camera_names(robot: RobotContract, metadata: Mapping[str, str], cameras: Sequence[str] | None) -> Sequence[str]:
    if cameras is not None:
        return cameras
    named = metadata.get("cameras")
    return [c.name for c in robot.cameras] if named is None else [name for name in named.split(",") if name]


def _rows(
    recording: Recording, robot: RobotContract, found: Sequence[RecordedMessage], decode: RowDecoder
) -> tuple[IntArray, FloatArray]:
    """Header stamps ``[N]`` and decoded rows ``[N, D]`` of one topic."""
    stamps, rows = [], []
    for number, message in enumerate(found):
        field = f"{recording.path.name}:{message.topic}[{number}]"
        row = decode(robot, recording.decode(message), field)
        if row is not None:
            check_finite(field, row)
            stamps.append(messages.header_stamp_ns(message.data))
            rows.append(row)
    return np.array(stamps, np.int64), np.array(rows)


def read_sense(recording: Recording, robot: RobotContract, sense: Sense) -> tuple[IntArray, NDArray[Any]]:
    """Header stamps ``[N]`` and values ``[N, ...]`` of a sense; of sound, where the blocks before it are all there."""
    stamps, values = [], []
    for number, message in enumerate(recording.messages({sense.topic})):
        stamps.append(messages.header_stamp_ns(message.data))
        field = f"{recording.path.name}:{sense.topic}[{number}]"
        values.append(decode_sense(robot, sense, recording.decode(message), field))
    if sense.rate_hz:
        blocks = list(zip(stamps, values, strict=True))
        (samples,), _ = form(robot, sense)
        whole = [heard(blocks, i, sense.rate_hz, samples) for i in range(len(blocks))]
        stamps = [stamp for stamp, found in zip(stamps, whole, strict=True) if found is not None]
        values = [found for found in whole if found is not None]
    return np.array(stamps, np.int64), np.array(values)


def _in_force(recording: Recording, found: Sequence[RecordedMessage], instants_ns: IntArray) -> NDArray[np.str_]:
    """``[T]`` the text in force at each instant, empty before the first."""
    texts = np.array(["", *(recording.decode(m).data for m in found)])
    return texts[newest_not_after(np.array([m.stamp_ns for m in found]), instants_ns) + 1]


def _images(
    recording: Recording, cameras: Sequence[Camera], index: Mapping[str, IntArray]
) -> dict[str, NDArray[np.uint8]]:
    """Decode the messages that ``index`` names: camera name -> straight uint8 ``[T, H, W, 3]``."""
    by_topic = {c.topic: c for c in cameras}
    rows = {c.name: _rows_of(index[c.name]) for c in cameras}
    images = {c.name: np.empty((len(index[c.name]), *c.size, 3), np.uint8) for c in cameras}
    seen = dict.fromkeys(by_topic, 0)
    for message in recording.messages(by_topic):
        camera, number = by_topic[message.topic], seen[message.topic]
        seen[message.topic] += 1
        if number not in rows[camera.name]:
            continue
        field = f"{recording.path.name}:{message.topic}[{number}]"
        images[camera.name][rows[camera.name][number]] = camera_image(camera, recording.decode(message), field).rgb()
    return images


def _rows_of(index: IntArray) -> dict[int, list[int]]:
    """Message number -> the rows that show it."""
    rows: dict[int, list[int]] = {}
    for row, number in enumerate(index):
        rows.setdefault(int(number), []).append(row)
    return rows


def _poses(kinematics: Kinematics, position: FloatArray) -> FloatArray:
    """Proprioception ``[T, D]``; velocities do not enter it, so they are not asked of the recording."""
    unmeasured = np.full(position.shape[1], np.nan)
    return np.array([proprioception(kinematics, RobotState(0, row, unmeasured)) for row in position])


def _reached(robot: RobotContract, kinematics: Kinematics, position: FloatArray) -> FloatArray:
    """Measured joints ``[T, J + 1]`` as actions in the contract's space."""
    poses = _poses(kinematics, position)
    if robot.action.space == "ee_pose":
        return poses
    return np.concatenate([position[:, : len(robot.joints)], poses[:, 6:]], axis=1)
