"""A LeRobot v3.0 dataset to recordings, one episode in memory at a time."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wam_core.contract import ActionChunk, FloatArray, RobotState
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.lerobot import layout
from wam_core.data.lerobot.pictures import Pictures
from wam_core.data.messages import DEMONSTRATION_TOPIC
from wam_core.data.recorder import Recorder
from wam_core.data.synchronise import IntArray
from wam_core.errors import ContractError
from wam_core.robot.contract import RobotContract
from wam_core.robot.robot_file import from_dict

Images = Iterator[Mapping[str, NDArray[np.uint8]]]

#: Rows read at once.
BATCH = 64


def load(folder: Path, out: Path, robot: RobotContract | None = None) -> list[Path]:
    """Write each episode of the dataset in ``folder`` as a recording ``out/episode_000000.mcap``; returns their paths.

    Args:
        robot: contract of a dataset that carries none, which are all that ``wam convert`` did not write.

    Raises:
        ContractError: no dataset of the version, no contract, or a column that the contract does not explain: units
            are taken from names, so these must be the contract's.
        FileExistsError: one of the recordings exists.
    """
    info = layout.read_info(folder)
    tasks = _tasks(folder)
    pictures, paths = Pictures(folder, info), []
    for table, row in zip(_data(folder), _episodes(folder), strict=True):
        number = table["episode_index"][0].as_py()
        if number != row["episode_index"]:
            raise ContractError(
                f"{folder.name}:episode_index", number, f"{row['episode_index']}, as in {layout.EPISODES}"
            )
        contract = from_dict(json.loads(row[layout.CONTRACT]), folder.name) if layout.CONTRACT in row else robot
        if contract is None:
            raise ContractError(f"{folder.name}:{layout.CONTRACT}", None, "a robot file named for the reader")
        _check(folder.name, info, contract)
        task = tasks[table["task_index"][0].as_py()]
        path = out / f"episode_{number:06d}.mcap"
        metadata = json.loads(row.get(layout.METADATA, "{}"))
        known = {k: v for k, v in metadata.items() if k not in ("actions", "complete", "success")}
        with Recorder(path, contract, known) as recorder:
            derived = metadata.get("actions", "recorded") != "recorded"
            _write(recorder, contract, table, task, pictures.of(table, row), derived)
            recorder.close({"success": metadata["success"]} if "success" in metadata else None)
        paths.append(path)
    return paths


def _write(recorder: Recorder, robot: RobotContract, table: pa.Table, task: str, images: Images, derived: bool) -> None:
    stamps = _stamps(table, robot.step_ns)
    joints = _column(table, layout.JOINTS if layout.JOINTS in table.column_names else layout.STATE)
    extra = {
        key: _column(table, name) if name in table.column_names else None
        for key, name in (("wrench", layout.WRENCH), ("tactile", layout.TACTILE))
    }
    actions = _column(table, layout.ACTION)
    taken = {
        name.removeprefix(layout.IMAGE_STAMP): np.asarray(table[name].to_numpy(), np.int64)
        for name in table.column_names
        if name.startswith(layout.IMAGE_STAMP)
    }
    writer = EpisodeWriter(recorder, robot)
    writer.instruction(task, min(int(found[0]) for found in (stamps, *taken.values())))
    for k, (stamp_ns, pictures) in enumerate(zip(stamps.tolist(), images, strict=True)):
        for name, image in pictures.items():
            camera = name.removeprefix(layout.IMAGE)
            seen = taken.get(camera, stamps)
            if k == 0 or seen[k] != seen[k - 1]:
                writer.image(camera, image, int(seen[k]))
        row = {key: None if values is None else values[k] for key, values in extra.items()}
        # The format has no velocities; an empty list says that none were measured.
        writer.state(RobotState(stamp_ns, joints[k], np.empty(0), None, **row))
        # Derived actions are derived again by whoever reads the recording; writing them would call them recorded.
        if not derived:
            names, space, step_ns = robot.action.names, robot.action.space, robot.step_ns
            chunk = ActionChunk(stamp_ns, stamp_ns + step_ns, step_ns, names, space, actions[k][None], k)
            writer.chunk(DEMONSTRATION_TOPIC, chunk, stamp_ns)


def _check(source: str, info: Mapping[str, Any], robot: RobotContract) -> None:
    """That the dataset's columns mean what the contract says."""
    features = info["features"]
    state = layout.JOINTS if layout.JOINTS in features else layout.STATE
    for name, expected in ((state, robot.joint_names), (layout.ACTION, robot.action.names)):
        found = features.get(name, {}).get("names")
        if not isinstance(found, list) or tuple(found) != expected:
            raise ContractError(f"{source}:{name}.names", found, f"{list(expected)}, in rad and m, of {robot.name}")
    if info["fps"] * robot.step_ns != 1_000_000_000:
        raise ContractError(f"{source}:fps", info["fps"], f"{1e9 / robot.step_ns:g}, the rate of {robot.name}")
    for name, feature in features.items():
        if feature["dtype"] in ("image", "video"):
            camera = robot.camera(name.removeprefix(layout.IMAGE))
            if tuple(feature["shape"]) != (camera.height, camera.width, 3):
                raise ContractError(f"{source}:{name}.shape", feature["shape"], f"{[camera.height, camera.width, 3]}")


def _episodes(folder: Path) -> Iterator[dict[str, Any]]:
    """The table of episodes, line by line, without its statistics."""
    for path in sorted(folder.glob("meta/episodes/*/*.parquet")):
        file = pq.ParquetFile(path)
        names = [name for name in file.schema_arrow.names if not name.startswith("stats/")]
        for batch in file.iter_batches(BATCH, columns=names):
            yield from batch.to_pylist()


def _tasks(folder: Path) -> dict[int, str]:
    table = pq.read_table(folder / layout.TASKS)
    (index,) = (name for name in table.column_names if name != "task_index")
    return dict(zip(table["task_index"].to_pylist(), table[index].to_pylist(), strict=True))


def _data(folder: Path) -> Iterator[pa.Table]:
    """The rows of one episode after the other."""
    held: list[pa.RecordBatch] = []
    number = None
    for path in sorted(folder.glob("data/*/*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(BATCH):
            numbers = batch.column("episode_index").to_numpy()
            edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
            for start, end in zip(edges[:-1], edges[1:], strict=True):
                if held and numbers[start] != number:
                    yield pa.Table.from_batches(held)
                    held = []
                number = numbers[start]
                held.append(batch.slice(start, end - start))
    if held:
        yield pa.Table.from_batches(held)


def _stamps(table: pa.Table, step_ns: int) -> IntArray:
    """``[T]`` ns; of a dataset without stamps of ours, since the episode's begin."""
    if layout.STAMP in table.column_names:
        return np.asarray(table[layout.STAMP].to_numpy(), np.int64)
    return np.asarray(table["frame_index"].to_numpy(), np.int64) * step_ns


def _column(table: pa.Table, name: str) -> FloatArray:
    """``[T, D]``."""
    return np.array(table[name].to_pylist(), np.float64).reshape(len(table), -1)
