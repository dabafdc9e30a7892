"""Where things are in a LeRobot v3.0 dataset and what its columns are called."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wam_core.data.episode import Episode
from wam_core.errors import ContractError

VERSION = "v3.0"
INFO = "meta/info.json"
STATISTICS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
#: Files of a folder, and the size at which a data file ends.
FILES_PER_CHUNK, DATA_FILE_MB = 1000, 100

STATE, ACTION, TACTILE, WRENCH = "observation.state", "action", "observation.tactile", "observation.wrench"
IMAGE = "observation.images."
#: Columns of ours, which LeRobot carries along and shows to no policy.
JOINTS, STAMP, IMAGE_STAMP = "joint_position", "stamp_ns", "image_stamp_ns."
#: Columns of ours in the table of episodes, both JSON: what the recording says of itself, and its robot contract.
METADATA, CONTRACT = "wam/metadata", "wam/contract"

WRENCH_NAMES = ("force_x", "force_y", "force_z", "torque_x", "torque_y", "torque_z")

Features = Mapping[str, dict[str, Any]]


def features(episode: Episode) -> Features:
    """Column -> dtype, shape and names, as ``meta/info.json`` lists them.

    State and action are float32, as LeRobot's policies expect; joint positions and stamps are kept as they are.
    """
    robot = episode.robot
    columns = {STATE: _vector("float32", robot.proprioception), ACTION: _vector("float32", robot.action.names)}
    if episode.tactile is not None:
        columns[TACTILE] = _vector("float32", robot.tactile)
    if episode.wrench is not None:
        columns[WRENCH] = _vector("float32", WRENCH_NAMES)
    for camera, images in episode.images.items():
        shape, names = list(images.shape[1:]), ["height", "width", "channels"]
        columns[IMAGE + camera] = {"dtype": "image", "shape": shape, "names": names}
    columns[JOINTS] = _vector("float64", robot.joint_names)
    for name in (STAMP, *(IMAGE_STAMP + camera for camera in episode.images)):
        columns[name] = {"dtype": "int64", "shape": [1], "names": None}
    own = {name: {"dtype": "int64", "shape": [1], "names": None} for name in _NUMBERS}
    return columns | {"timestamp": {"dtype": "float32", "shape": [1], "names": None}} | own


def frames_per_second(episode: Episode) -> int:
    """The contract's action rate.

    Raises:
        ContractError: it is no whole number, as the format asks for.
    """
    if 1_000_000_000 % episode.robot.step_ns:
        raise ContractError("rates.action_hz", 1e9 / episode.robot.step_ns, "a whole number, as LeRobot's fps is")
    return 1_000_000_000 // episode.robot.step_ns


def read_info(folder: Path) -> dict[str, Any]:
    """``meta/info.json``.

    Raises:
        ContractError: there is none, or it is of another version.
    """
    if not (folder / INFO).exists():
        raise ContractError("dataset", str(folder), f"a LeRobot dataset, with {INFO}")
    info: dict[str, Any] = json.loads((folder / INFO).read_text())
    if info.get("codebase_version") != VERSION:
        raise ContractError(f"{INFO}:codebase_version", info.get("codebase_version"), VERSION)
    return info


#: Columns of every LeRobot dataset beside ``timestamp``.
_NUMBERS = ("frame_index", "episode_index", "index", "task_index")


def _vector(dtype: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [len(names)], "names": list(names)}
