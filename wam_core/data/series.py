"""A recording of any length: parts that are MCAP files, each of which can be read on its own."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path

from wam_core.data.recorder import OUTCOME_RECORD, Recorder
from wam_core.robot.contract import RobotContract


class Series:
    """Writes like a :class:`Recorder` and begins a new part where the one before has become long or large.

    A writer keeps an index of its file in memory; parts bound it, as they bound what a reader must hold. Every part
    begins with the contract, the metadata and the newest latched messages, so that it stands alone. Every method may
    raise OSError; then :meth:`abandon` leaves what was written until then.

    Attributes:
        paths: the parts so far: ``name.mcap``, ``name.part1.mcap``, ...
    """

    def __init__(
        self,
        path: Path,
        robot: RobotContract,
        metadata: Mapping[str, str],
        longest_ns: int,
        most_bytes: int,
        compression: str = "zstd",
    ) -> None:
        """Begin the first part at ``path``, or where that exists, at ``path`` with a number.

        Args:
            longest_ns: time between the first and the last stamp of a part.
            most_bytes: size at which a part ends.
        """
        self._robot, self._metadata, self._compression = robot, dict(metadata), compression
        self._longest_ns, self._most_bytes = longest_ns, most_bytes
        self._notes: dict[str, dict[str, str]] = {}
        self._latched: dict[str, tuple[str, bytes]] = {}
        self._begin_ns: int | None = None
        self.paths: list[Path] = []
        self._recorder = self._open(path)

    def write(self, topic: str, type_name: str, data: bytes, stamp_ns: int, latched: bool = False) -> None:
        """Append one message, as :meth:`Recorder.write`; the newest ``latched`` one is repeated in every later part."""
        if self._begin_ns is None:
            self._begin_ns = stamp_ns
        if abs(stamp_ns - self._begin_ns) >= self._longest_ns or self._recorder.size >= self._most_bytes:
            self._next_part(stamp_ns)
        if latched:
            self._latched[topic] = type_name, data
        self._recorder.write(topic, type_name, data, stamp_ns)

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """Write a metadata record at once; it is repeated in every later part."""
        self._notes[name] = dict(values)
        self._recorder.note(name, values)

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        self._recorder.flush()

    def close(self, outcome: Mapping[str, str]) -> None:
        """Finish the last part; ``outcome`` goes into it."""
        self._recorder.close(outcome)

    def abandon(self) -> None:
        """Let go of a part that cannot be written any more."""
        self._recorder.abandon()

    def _next_part(self, stamp_ns: int) -> None:
        first = self.paths[0]
        following = self._open(first.with_name(f"{first.stem}.part{len(self.paths)}.mcap"))
        outcome = self._notes.get(OUTCOME_RECORD, {})
        self._recorder.close({**outcome, "continued_in": following.path.name})
        self._recorder, self._begin_ns = following, stamp_ns
        for name, values in self._notes.items():
            following.note(name, values)
        for topic, (type_name, data) in self._latched.items():
            following.write(topic, type_name, data, stamp_ns)

    def _open(self, path: Path) -> Recorder:
        metadata = self._metadata | {"part": str(len(self.paths))}
        for number in count(2):
            try:
                recorder = Recorder(path, self._robot, metadata, self._compression)
                break
            except FileExistsError:
                path = path.with_name(f"{path.stem.partition('~')[0]}~{number}.mcap")
        self.paths.append(recorder.path)
        return recorder
