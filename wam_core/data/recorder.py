"""One MCAP file for the cell, the evaluation loop and the ROS node; data/series.py makes long recordings of several."""

import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType

from mcap.writer import CompressionType, Writer

from wam_core.data import messages
from wam_core.errors import look_up
from wam_core.robot.contract import RobotContract

#: Names of the metadata records of a recording.
CONTRACT_RECORD = "robot_contract"
EPISODE_RECORD = "episode"
MODEL_RECORD = "model"
OUTCOME_RECORD = "outcome"

COMPRESSIONS: Mapping[str, CompressionType] = {
    "zstd": CompressionType.ZSTD,
    "lz4": CompressionType.LZ4,
    "none": CompressionType.NONE,
}

#: A chunk is closed after this much time between stamps, so that a kill loses less than a second.
CHUNK_NS = 500_000_000
CHUNK_BYTES = 4_000_000


class Recorder:
    """Writes serialized ROS 2 messages to one MCAP file (profile ``ros2``, CDR, embedded ``ros2msg`` schemas).

    The robot contract and the episode's metadata are written first, the outcome last; a file whose writer was killed
    has all complete chunks. Not safe for use from several threads at once. Every method may raise OSError, for example
    because the disk is full; then :meth:`abandon` leaves what was written until then.
    """

    def __init__(
        self, path: Path, robot: RobotContract, metadata: Mapping[str, str], compression: str = "zstd"
    ) -> None:
        """Create ``path`` (and its folder).

        Args:
            metadata: the episode's task, seed, instruction, ...; software versions are added.
            compression: a key of :data:`COMPRESSIONS`.

        Raises:
            FileExistsError: ``path`` exists; what was recorded is never overwritten.
            ContractError: unknown compression.
        """
        kind = look_up(COMPRESSIONS, compression, "compression")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("xb")
        self._writer = Writer(self._file, chunk_size=CHUNK_BYTES, compression=kind)
        self._writer.start(profile="ros2", library="wam")
        self._writer.add_metadata(CONTRACT_RECORD, {"json": json.dumps(robot.to_dict())})
        self._writer.add_metadata(EPISODE_RECORD, {**software_versions(), **metadata})
        self._file.flush()
        self._schemas: dict[str, int] = {}
        self._channels: dict[tuple[str, str], int] = {}
        self._chunk_start_ns: int | None = None
        self._closed = False

    def write(self, topic: str, type_name: str, data: bytes, stamp_ns: int, schema: str | None = None) -> None:
        """Append one message.

        Args:
            data: CDR bytes.
            stamp_ns: time of recording; orders the file and closes chunks.
            schema: ``ros2msg`` definition of a type that is neither standard nor of wam_msgs.
        """
        if self._chunk_start_ns is None:
            self._chunk_start_ns = stamp_ns
        elif abs(stamp_ns - self._chunk_start_ns) >= CHUNK_NS:
            self.flush()
            self._chunk_start_ns = stamp_ns
        channel = self._channel(topic, type_name, schema)
        self._writer.add_message(channel, log_time=stamp_ns, data=data, publish_time=stamp_ns)

    @property
    def size(self) -> int:
        """Bytes written so far, without the chunk in progress."""
        return self._file.tell()

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """Write a metadata record at once; the last one of a name counts."""
        self.flush()
        self._writer.add_metadata(name, dict(values))
        self._file.flush()

    def flush(self) -> None:
        """Hand everything written so far to the operating system; for when messages may stop coming."""
        self._writer.flush()
        self._file.flush()
        self._chunk_start_ns = None

    def close(self, outcome: Mapping[str, str] | None = None) -> None:
        """Write the outcome (success, reason, note, ...) and the file's index. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        self._writer.flush()
        if outcome is not None:
            self._writer.add_metadata(OUTCOME_RECORD, dict(outcome))
        self._writer.finish()
        self._file.close()

    def abandon(self) -> None:
        """Let go of a file that cannot be written any more; its complete chunks can be read."""
        self._closed = True
        with suppress(OSError):  # what still waits to be written cannot be
            self._file.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _channel(self, topic: str, type_name: str, schema: str | None) -> int:
        key = (topic, type_name)
        if key not in self._channels:
            if type_name not in self._schemas:
                text = messages.schema_text(type_name) if schema is None else schema
                self._schemas[type_name] = self._writer.register_schema(type_name, "ros2msg", text.encode())
            self._channels[key] = self._writer.register_channel(topic, "cdr", self._schemas[type_name])
        return self._channels[key]


def software_versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a recording; an absent package is left out."""
    found = {"python": platform.python_version()}
    for package in ("wam", "torch", "mujoco", "numpy", "mcap", "rosbags"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {f"version.{name}": text for name, text in found.items()}
