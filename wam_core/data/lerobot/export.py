"""Recordings to a LeRobot v3.0 dataset, one recording in memory at a time."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wam_core.data.episode import Episode
from wam_core.data.lerobot import layout, statistics
from wam_core.data.lerobot.layout import Features
from wam_core.data.lerobot.statistics import Statistics
from wam_core.data.reader import read_episodes
from wam_core.errors import ContractError
from wam_core.robot.contract import RobotContract

#: Lines of the table of episodes that wait to be written together.
ROWS_KEPT = 100

_IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class Exported:
    """What a dataset holds: episodes, frames, tasks; and the recordings that could not be read, with the reason."""

    episodes: int
    frames: int
    tasks: int
    problems: tuple[str, ...]


def export(
    recordings: Sequence[Path],
    folder: Path,
    robot: RobotContract | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write all ``recordings`` as one dataset. A stretch without a gap is an episode: the format knows no gaps.

    Args:
        robot: contract of recordings that embed none.

    Raises:
        ContractError: ``folder`` is not empty, no recording can be read, one has other columns or another rate than
            the first, or the rate is not a whole number of frames per second.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ContractError("out", str(folder), "a folder that is empty or does not exist")
    writer, problems = _Writer(folder), []
    for number, path in enumerate(recordings):
        try:
            episodes = read_episodes(path, robot)
        except ContractError as error:
            problems.append(str(error))
            continue
        for episode in episodes:
            for start, end in episode.segments:
                writer.add(episode.between(start, end))
        if report:
            report(number + 1, len(recordings))
    if writer.first is None:
        raise ContractError("recordings", "; ".join(problems) or "none", "one or more that can be read")
    writer.close(writer.first)
    return Exported(writer.episodes, writer.frames, len(writer.tasks), tuple(problems))


@dataclass
class _Writer:
    """Data files that end at a size, one table of episodes, and what ``meta/`` says of all of them."""

    folder: Path
    episodes: int = 0
    frames: int = 0
    first: Episode | None = None
    tasks: dict[str, int] = field(default_factory=dict)
    _features: Features = field(default_factory=dict)
    _statistics: dict[str, Statistics] = field(default_factory=dict)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _data: "_ParquetFile | None" = None
    _table: "_ParquetFile | None" = None
    _number: int = 0

    def add(self, episode: Episode) -> None:
        found = layout.features(episode)
        if self.first is None:
            layout.frames_per_second(episode)
            self.first, self._features = episode, found
        if differing := [k for k in found.keys() | self._features if found.get(k) != self._features.get(k)]:
            name = sorted(differing)[0]
            expected = f"{self._features.get(name)}, as in {self.first.path.name}"
            raise ContractError(f"{episode.path.name}:{name}", found.get(name), expected)
        if episode.robot.step_ns != self.first.robot.step_ns:
            raise ContractError(f"{episode.path.name}:step_ns", episode.robot.step_ns, str(self.first.robot.step_ns))
        images = {layout.IMAGE + name: pictures for name, pictures in episode.images.items()}
        columns = self._columns(episode)
        self._rows.append(self._row(episode, columns, images))
        if self._data is None:
            self._data = _ParquetFile(self.folder / layout.DATA.format(**self._place()))
        pictures = {name: _pictures(found) for name, found in images.items()}
        arrays = pictures | {name: _array(values) for name, values in columns.items()}
        self._data.write(pa.table({name: arrays[name] for name in self._features}))
        self.episodes, self.frames = self.episodes + 1, self.frames + len(episode.stamps_ns)
        if self._data.size >= layout.DATA_FILE_MB * 1_000_000:
            self._data.close()
            self._data, self._number = None, self._number + 1
        if len(self._rows) >= ROWS_KEPT:
            self._write_rows()

    def close(self, first: Episode) -> None:
        """End the files and write the rest of ``meta/``."""
        if self._data is not None:
            self._data.close()
        self._write_rows()
        if self._table is not None:
            self._table.close()
        pq.write_table(_task_table(list(self.tasks)), self.folder / layout.TASKS)
        whole = {name: statistics.as_lists(found) for name, found in self._statistics.items()}
        (self.folder / layout.STATISTICS).write_text(json.dumps(whole, indent=1))
        info = {
            "codebase_version": layout.VERSION,
            "robot_type": first.robot.name,
            "total_episodes": self.episodes,
            "total_frames": self.frames,
            "total_tasks": len(self.tasks),
            "chunks_size": layout.FILES_PER_CHUNK,
            "data_files_size_in_mb": layout.DATA_FILE_MB,
            "video_files_size_in_mb": 0,
            "fps": layout.frames_per_second(first),
            "splits": {"train": f"0:{self.episodes}"},
            "data_path": layout.DATA,
            "video_path": None,
            "features": self._features,
        }
        (self.folder / layout.INFO).write_text(json.dumps(info, indent=1))

    def _columns(self, episode: Episode) -> dict[str, NDArray[Any]]:
        """Every column but the images, ``[T]`` or ``[T, D]``."""
        count = np.arange(len(episode.stamps_ns))
        task = self.tasks.setdefault(episode.instruction, len(self.tasks))
        columns = {
            layout.STATE: episode.proprioception,
            layout.ACTION: episode.actions,
            layout.TACTILE: episode.tactile,
            layout.WRENCH: episode.wrench,
            layout.JOINTS: episode.joint_position,
            layout.STAMP: episode.stamps_ns,
            **{layout.IMAGE_STAMP + name: stamps for name, stamps in episode.image_stamps_ns.items()},
            "timestamp": count / layout.frames_per_second(episode),
            "frame_index": count,
            "episode_index": np.full(len(count), self.episodes),
            "index": self.frames + count,
            "task_index": np.full(len(count), task),
        }
        present = {name: values for name, values in columns.items() if values is not None}
        return {name: values.astype(self._features[name]["dtype"]) for name, values in present.items()}

    def _row(
        self, episode: Episode, columns: Mapping[str, NDArray[Any]], images: Mapping[str, NDArray[np.uint8]]
    ) -> dict[str, Any]:
        """The episode's line in the table of episodes; its statistics enter those of the whole."""
        length = len(episode.stamps_ns)
        found = {name: statistics.of_column(values) for name, values in columns.items()}
        found |= {name: statistics.of_images(pictures) for name, pictures in images.items()}
        for name, one in found.items():
            before = self._statistics.get(name)
            self._statistics[name] = one if before is None else statistics.merged([before, one])
        return {
            "episode_index": self.episodes,
            "tasks": [episode.instruction],
            "length": length,
            **{f"data/{name}": number for name, number in self._place().items()},
            "dataset_from_index": self.frames,
            "dataset_to_index": self.frames + length,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
            layout.METADATA: json.dumps(dict(episode.metadata)),
            layout.CONTRACT: json.dumps(episode.robot.straight().to_dict()),
            **{f"stats/{name}/{k}": v for name, one in found.items() for k, v in statistics.as_lists(one).items()},
        }

    def _place(self) -> dict[str, int]:
        chunk, file = divmod(self._number, layout.FILES_PER_CHUNK)
        return {"chunk_index": chunk, "file_index": file}

    def _write_rows(self) -> None:
        if self._table is None:
            self._table = _ParquetFile(self.folder / layout.EPISODES.format(chunk_index=0, file_index=0))
        if self._rows:
            self._table.write(pa.Table.from_pylist(self._rows))
            self._rows.clear()


class _ParquetFile:
    """Tables of one schema, each written at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._writer: Any = None

    @property
    def size(self) -> int:
        return self._file.tell()

    def write(self, table: pa.Table) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._file.close()


def _array(values: NDArray[Any]) -> pa.Array:
    """``[T]`` as numbers, ``[T, D]`` as lists of one length; a single column is a number, as LeRobot has it."""
    flat = pa.array(values.reshape(-1))
    width = values.size // len(values)
    return flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width)


def _pictures(images: NDArray[np.uint8]) -> pa.Array:
    """PNG, which loses nothing."""
    encoded = (cv2.imencode(".png", image[:, :, ::-1])[1].tobytes() for image in images)
    return pa.array([{"bytes": data, "path": None} for data in encoded], _IMAGE_TYPE)


def _task_table(tasks: Sequence[str]) -> pa.Table:
    """As pandas writes a frame whose index is the tasks: LeRobot looks a task up in the index."""
    index = "__index_level_0__"
    columns = [("task_index", "task_index", "int64", "int64"), (None, index, "unicode", "object")]
    keys = ("name", "field_name", "pandas_type", "numpy_type")
    described = {
        "index_columns": [index],
        "column_indexes": [],
        "columns": [dict(zip(keys, column, strict=True)) | {"metadata": None} for column in columns],
        "pandas_version": "2.0.0",
    }
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), index: pa.array(tasks, pa.string())})
    return table.replace_schema_metadata({"pandas": json.dumps(described)})
