"""A recording through the same preprocessing and model again: bit-equal, or the first thing in which they part."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wam_core.contract import Committed, FloatArray, Future, Observation, RobotState
from wam_core.data import messages
from wam_core.data.decode import joint_positions
from wam_core.data.predictions import action_chunk, nanoseconds, predicted_future
from wam_core.data.reader import read_sense
from wam_core.data.recorder import MODEL_RECORD
from wam_core.data.recording import RecordedMessage, Recording, recorded_contract
from wam_core.dial import Dial
from wam_core.errors import ContractError
from wam_core.model.runtimes.table import RUNTIMES
from wam_core.policy import Policy, checkpoint_folder, load_policy
from wam_core.preprocess.raw import camera_image
from wam_core.provenance import ModelRecord, checkpoint_digest, from_metadata, image_digest
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics, proprioception

Image = NDArray[np.uint8]
_SMALL = (messages.INPUT_TOPIC, messages.POLICY_TOPIC, messages.INSTRUCTION_TOPIC, messages.FUTURE_TOPIC)


@dataclass(frozen=True)
class Replayed:
    """One chunk made again.

    Attributes:
        parted: what differs, input before output; empty when everything is bit-equal.
        largest: greatest absolute difference of the chunk's values; NaN where it was not recorded.
    """

    sequence: int
    stamp_ns: int
    parted: tuple[str, ...]
    largest: float


@dataclass(frozen=True)
class Replay:
    """A whole recording made again; ``model`` names differences of checkpoint and software."""

    record: ModelRecord
    model: tuple[str, ...]
    chunks: tuple[Replayed, ...]
    futures: int

    @property
    def equal(self) -> bool:
        """Whether there was something to compare and all of it was bit-equal."""
        return bool(self.chunks) and not any(chunk.parted for chunk in self.chunks)


def replay(path: Path, model: str = "") -> Replay:
    """Make every recorded chunk, and every recorded future, again from the recorded sensors.

    What a model remembers is made again too, if it was recorded from the instruction on.

    Args:
        model: preset or checkpoint folder instead of the one that the recording names.

    Raises:
        ContractError: the recording holds no model record or no model inputs, or its model cannot be loaded.
    """
    recording = Recording(path)
    small, states, stamps = _scan(recording)
    robot = recorded_contract(recording, None)
    if MODEL_RECORD not in recording.metadata:
        raise ContractError(f"{path.name}:{MODEL_RECORD}", None, "a recording made while wam_inference ran")
    record = from_metadata(recording.metadata[MODEL_RECORD])
    if not small[messages.INPUT_TOPIC]:
        raise ContractError(f"{path.name}:{messages.INPUT_TOPIC}", "no messages", "the inputs of one chunk or more")
    torch.set_num_threads(record.threads)
    policy, differences = _load(record, model, robot)
    inputs = [recording.decode(m) for m in small[messages.INPUT_TOPIC]]
    seen = _Seen(recording, robot, policy, stamps, states, [_stamp(m) for m in inputs])
    told = [(m.stamp_ns, recording.decode(m).data) for m in small[messages.INSTRUCTION_TOPIC]]
    chunks = {(int(m.sequence), _stamp(m)): m for m in map(recording.decode, small[messages.POLICY_TOPIC])}
    futures: dict[tuple[int, int], list[Future]] = {}
    for m in map(recording.decode, small[messages.FUTURE_TOPIC]):
        futures.setdefault((int(m.sequence), _stamp(m)), []).append(predicted_future(m))
    found = []
    for message, at in zip(inputs, small[messages.INPUT_TOPIC], strict=True):
        key = int(message.sequence), _stamp(message)
        instructions = _told(told, _stamp(message), at.stamp_ns)
        before = _in_progress(message, chunks.values())
        found.append(_compare(policy, message, seen, instructions, before, chunks.get(key), futures.get(key, [])))
    return Replay(record, differences, tuple(found), sum(map(len, futures.values())))


def _load(record: ModelRecord, model: str, robot: RobotContract) -> tuple[Policy, tuple[str, ...]]:
    folder = checkpoint_folder(model or (record.checkpoint if Path(record.checkpoint).is_dir() else record.name))
    runtime = next((name for name in RUNTIMES if name in record.versions), "eager")
    policy = load_policy(str(folder), robot, record.seed, runtime)
    preset = policy.checkpoint.preset
    policy.dial = Dial(0 if record.steps == preset.steps else record.steps)
    digest = checkpoint_digest(folder)
    differences = [] if digest == record.digest else [f"checkpoint {digest[:12]}, recorded {record.digest[:12]}"]
    if record.versions.get("torch") != version("torch"):
        differences.append(f"torch {version('torch')}, recorded {record.versions.get('torch')}")
    return policy, tuple(differences)


def _scan(
    recording: Recording,
) -> tuple[dict[str, list[RecordedMessage]], dict[str, list[RecordedMessage]], dict[str, list[int]]]:
    """Messages of the small topics, joint states, and the stamps of images, each by topic."""
    small: dict[str, list[RecordedMessage]] = {topic: [] for topic in _SMALL}
    states: dict[str, list[RecordedMessage]] = {}
    stamps: dict[str, list[int]] = {}
    for message in recording.messages():
        if message.topic in small:
            small[message.topic].append(message)
        elif message.type_name == messages.JOINT_STATE:
            states.setdefault(message.topic, []).append(message)
        elif message.type_name in messages.PICTURES:
            stamps.setdefault(message.topic, []).append(messages.header_stamp_ns(message.data))
    return small, states, stamps


class _Seen:
    """What the sensors had recorded by an instant."""

    def __init__(
        self,
        recording: Recording,
        robot: RobotContract,
        policy: Policy,
        stamps: Mapping[str, list[int]],
        states: Mapping[str, list[RecordedMessage]],
        instants: Sequence[int],
    ) -> None:
        self._recording, self._robot, self._kinematics = recording, robot, Kinematics(robot)
        self._states = states.get(robot.topics.joint_states, [])
        self._state_stamps = np.array([messages.header_stamp_ns(m.data) for m in self._states], np.int64)
        self._stamps = {name: np.array(stamps.get(robot.camera(name).topic, []), np.int64) for name in policy.cameras}
        self._cameras = {robot.camera(name).topic: robot.camera(name) for name in policy.cameras}
        wanted = {
            robot.camera(name).topic: {int(found[i]) for i in np.searchsorted(found, instants, "right") - 1 if i >= 0}
            for name, found in self._stamps.items()
        }
        self._images = {(topic, stamp_ns): image for topic, stamp_ns, image in self._decode(wanted)}
        self._senses = {name: read_sense(recording, robot, robot.sense(name)) for name in policy.senses}

    def image(self, camera: str, instant_ns: int) -> Image | None:
        """The newest of a camera not after the instant."""
        found = self._stamps[camera]
        i = int(np.searchsorted(found, instant_ns, "right")) - 1
        return None if i < 0 else self._images[self._robot.camera(camera).topic, int(found[i])]

    def senses(self, instant_ns: int) -> dict[str, NDArray[Any]]:
        """The newest of each sense that the model needs not after the instant, where there is one."""
        newest = {name: int(np.searchsorted(at, instant_ns, "right")) - 1 for name, (at, _) in self._senses.items()}
        return {name: self._senses[name][1][i] for name, i in newest.items() if i >= 0}

    def pose(self, instant_ns: int) -> FloatArray | None:
        """Proprioception of the newest joint state not after the instant."""
        i = int(np.searchsorted(self._state_stamps, instant_ns, "right")) - 1
        if i < 0:
            return None
        decoded = self._recording.decode(self._states[i])
        position = joint_positions(self._robot, decoded, self._states[i].topic)
        unmeasured = np.full(len(position), np.nan)
        return proprioception(self._kinematics, RobotState(0, position, unmeasured))

    def _decode(self, wanted: Mapping[str, set[int]]) -> Iterator[tuple[str, int, Image]]:
        for message in self._recording.messages(wanted):
            stamp_ns = messages.header_stamp_ns(message.data)
            if stamp_ns in wanted[message.topic]:
                sent = camera_image(self._cameras[message.topic], self._recording.decode(message), message.topic)
                yield message.topic, stamp_ns, sent.rgb()


def _told(told: Sequence[tuple[int, str]], from_ns: int, to_ns: int) -> tuple[str, ...]:
    """What was to be done at some instant from an observation until its input was recorded: an instruction may end
    while the input is on its way."""
    first = next((text for stamp_ns, text in reversed(told) if stamp_ns <= from_ns), "")
    return first, *(text for stamp_ns, text in told if from_ns < stamp_ns <= to_ns)


def _until_ns(message: Any) -> int:
    """Until when the chunk in progress was committed; 0 where there was none, as in recordings of before there was
    real-time chunking."""
    return nanoseconds(message.committed_until) if hasattr(message, "committed_until") else 0


def _dial(message: Any, before: Dial) -> Dial:
    """How much the chunk was allowed to cost; as ``before`` in recordings of before there was a dial."""
    if not hasattr(message, "cache_reuse"):
        return before
    return Dial(*(int(getattr(message, f.name)) for f in fields(Dial)))


def _in_progress(message: Any, chunks: Iterable[Any]) -> Any:
    """The recorded chunk that the model went on from; None where it went on from none or that was not recorded."""
    if not _until_ns(message):
        return None
    before = [m for m in chunks if m.sequence == message.continued_sequence and _stamp(m) < _stamp(message)]
    return max(before, key=_stamp, default=None)


def _compare(
    policy: Policy,
    message: Any,
    seen: _Seen,
    instructions: Sequence[str],
    before: Any,
    chunk: Any,
    futures: Sequence[Future],
) -> Replayed:
    """Input first: where that parts, the output must, and says nothing."""
    stamp_ns, parted = _stamp(message), []
    images = {}
    for camera, digest in zip(message.cameras, message.image_digests, strict=True):
        image = seen.image(camera, stamp_ns)
        if image is None or image_digest(image) != digest:
            parted.append(f"image of {camera}: {'none recorded' if image is None else 'other pixels'}")
        else:
            images[camera] = image
    pose = seen.pose(stamp_ns)
    if pose is None or not np.array_equal(pose, message.proprioception):
        by = "none recorded" if pose is None else f"by up to {np.abs(pose - message.proprioception).max():.2g}"
        parted.append(f"proprioception: {by}")
    if message.instruction not in instructions:
        told = ", ".join(map(repr, instructions))
        parted.append(f"instruction: recorded {told}, the model had {message.instruction!r}")
    senses = seen.senses(stamp_ns)
    parted += [f"{name}: none recorded" for name in policy.senses if name not in senses]
    until_ns = _until_ns(message)
    if until_ns and before is None:
        parted.append("chunk in progress: not recorded")
    if parted or pose is None:
        return Replayed(int(message.sequence), stamp_ns, tuple(parted), float("nan"))
    policy.sequence, policy.dial = int(message.sequence), _dial(message, policy.dial)
    committed = Committed(action_chunk(before), until_ns) if until_ns else None
    made = policy.act(Observation(stamp_ns, images, pose, message.instruction, senses=senses), committed)
    largest = float("nan")
    if chunk is None:
        parted.append("chunk: not recorded")
    else:
        largest = float(np.abs(made.values.reshape(-1) - np.asarray(chunk.values)).max())
        if largest != 0.0:
            parted.append(f"chunk: by up to {largest:.2g}")
    # The picture that features are most like is one of all that were seen, also of those before the recording began.
    recorded = [future for future in futures if future.substrate != "nearest"]
    imagined = [future for future in policy.imagine() if future.substrate != "nearest"] if recorded else []
    for kind in dict.fromkeys(future.substrate for future in recorded):
        once, again = ([f.values for f in group if f.substrate == kind] for group in (recorded, imagined))
        pairs = zip(once, again, strict=False)
        if len(once) != len(again) or not all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
            parted.append(f"future: other {kind}")
    return Replayed(int(message.sequence), stamp_ns, tuple(parted), largest)


def _stamp(message: Any) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
