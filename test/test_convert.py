"""Recordings to the LeRobot format and back; what LeRobot itself says of them is scripts/check_lerobot.py."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distorted import GLASSES, robot_behind
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from synthetic_recording import known_image, small_robot, write_episode

from wam_core.cli.main import run
from wam_core.data.episode import Episode
from wam_core.data.lerobot import statistics
from wam_core.data.reader import read_episode, read_episodes
from wam_core.errors import ContractError
from wam_core.robot.contract import RobotContract

ROBOT = small_robot()


def convert(source: Path, out: Path) -> Path:
    assert run("convert", [str(source), "--out", str(out)]) == 0
    return out


def table(folder: Path) -> pa.Table:
    return pq.read_table(folder / "data" / "chunk-000" / "file-000.parquet")


def episodes_table(folder: Path) -> pa.Table:
    return pq.read_table(folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet")


def same(a: Episode, b: Episode) -> None:
    """All that the format holds: float32 actions and forces, everything else to the bit."""
    for name in ("stamps_ns", "joint_position", "proprioception"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    for name in ("actions", "wrench", "tactile"):
        assert np.array_equal(getattr(a, name).astype(np.float32), getattr(b, name)), name
    for camera, images in a.images.items():
        assert np.array_equal(images, b.images[camera]), camera
        assert np.array_equal(a.image_stamps_ns[camera], b.image_stamps_ns[camera])
    assert (a.instruction, a.success, a.robot.to_dict()) == (b.instruction, b.success, b.robot.to_dict())
    assert {k: v for k, v in a.metadata.items() if k in ("task", "seed", "actions")}.items() <= b.metadata.items()


def test_there_and_back_loses_nothing_the_format_can_hold(tmp_path: Path) -> None:
    """Prevents: swapped colours, rows a step off, an outcome or a contract that is gone."""
    write_episode(tmp_path / "in" / "a.mcap", ROBOT, 5, missing={"front": (2,)})
    write_episode(tmp_path / "in" / "b.mcap", ROBOT, 3, metadata={"seed": "4"}, outcome={"success": "false"})
    convert(tmp_path / "in", tmp_path / "set")
    convert(tmp_path / "set", tmp_path / "back")
    for number, name in enumerate(("a", "b")):
        before = read_episode(tmp_path / "in" / f"{name}.mcap")
        same(before, read_episode(tmp_path / "back" / f"episode_{number:06d}.mcap"))


def test_a_set_of_straight_pictures_does_not_say_that_they_are_bent(tmp_path: Path) -> None:
    """Pictures that had been undistorted were undistorted again on the way back."""
    write_episode(tmp_path / "in" / "a.mcap", robot_behind(ROBOT, GLASSES["webcam"], 12, 16), 3)
    convert(convert(tmp_path / "in", tmp_path / "set"), tmp_path / "back")
    before, after = (read_episode(next((tmp_path / name).glob("*.mcap"))) for name in ("in", "back"))
    same(replace(before, robot=before.robot.straight()), after)
    assert before.robot.camera("front").distortion and after.robot.camera("front").distortion is None


def test_a_gap_ends_an_episode(tmp_path: Path) -> None:
    """Prevents: a policy trained on a jump, because the format counts frames and knows no time between them."""
    path = write_episode(tmp_path / "gap.mcap", ROBOT, 12, missing={"front": range(4, 8), "wrist": range(4, 8)})
    before = read_episode(path)
    assert len(before.segments) == 2
    folder = convert(path, tmp_path / "set")
    assert episodes_table(folder)["length"].to_pylist() == [end - start for start, end in before.segments]
    assert table(folder)["stamp_ns"].to_pylist() == before.stamps_ns.tolist()
    assert table(folder)["frame_index"].to_pylist() == [*range(before.segments[0][1]), *range(4)]


def test_the_tables_count_as_lerobot_does(tmp_path: Path) -> None:
    """Prevents: an index, a time or a task that points to another episode's frame."""
    for number, steps in enumerate((4, 3)):
        write_episode(tmp_path / "in" / f"{number}.mcap", ROBOT, steps)
    folder = convert(tmp_path / "in", tmp_path / "set")
    rows = table(folder).to_pydict()
    assert rows["index"] == list(range(7)) and rows["episode_index"] == [0] * 4 + [1] * 3
    assert rows["frame_index"] == [0, 1, 2, 3, 0, 1, 2] and rows["timestamp"][:4] == pytest.approx([0, 0.1, 0.2, 0.3])
    found = episodes_table(folder).to_pydict()
    assert found["dataset_from_index"] == [0, 4] and found["dataset_to_index"] == [4, 7]
    info = json.loads((folder / "meta" / "info.json").read_text())
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"], info["fps"]) == (2, 7, 1, 10)
    stored = json.loads((folder / "meta" / "stats.json").read_text())
    state = np.array(rows["observation.state"], np.float64)
    assert np.allclose(stored["observation.state"]["std"], state.std(axis=0))
    assert np.allclose(stored["observation.state"]["max"], state.max(axis=0))
    assert np.shape(stored["observation.images.front"]["mean"]) == (3, 1, 1)


@given(arrays(np.float64, st.tuples(st.integers(2, 30), st.just(3)), elements=st.floats(-1e3, 1e3)), st.data())
@settings(max_examples=30, deadline=None)
def test_statistics_of_parts_make_those_of_the_whole(values: np.ndarray, data: st.DataObject) -> None:
    """Prevents: a normalisation that depends on how a set was cut into episodes."""
    cut = data.draw(st.integers(1, len(values) - 1))
    whole = statistics.of_column(values)
    found = statistics.merged([statistics.of_column(values[:cut]), statistics.of_column(values[cut:])])
    for name in ("min", "max", "mean", "std", "count"):
        assert np.allclose(found[name], whole[name], atol=1e-6), name


def foreign(folder: Path, robot: RobotContract, names: tuple[str, ...]) -> Path:
    """A dataset as others make them: joints as state, the front camera as one video of two episodes."""
    steps = (3, 4)
    size = (robot.cameras[0].width, robot.cameras[0].height)
    video = folder / "videos" / "observation.images.front" / "chunk-000" / "file-000.mp4"
    video.parent.mkdir(parents=True)
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"mp4v"), 10, size)
    for k in range(sum(steps)):
        writer.write(np.full((size[1], size[0], 3), 30 * k, np.uint8))
    writer.release()
    index = np.concatenate([np.arange(n) for n in steps])
    episode = np.repeat((0, 1), steps)
    joints = robot.home[None] + 0.01 * np.arange(sum(steps))[:, None]
    state = np.concatenate([joints, np.full((sum(steps), 1), 0.02)], 1).astype(np.float32)
    action = np.tile(np.float32([0.5, 0, 0.3, 0, 0, 0, 1]), (sum(steps), 1))
    rows = {"observation.state": list(state), "action": list(action), "frame_index": index, "episode_index": episode}
    rows |= {"timestamp": (index / 10).astype(np.float32), "index": np.arange(sum(steps)), "task_index": 0 * index}
    path = folder / "data" / "chunk-000" / "file-000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(rows), path)
    place = {"chunk_index": 0, "file_index": 0}
    about = [
        {"episode_index": k, **{f"videos/observation.images.front/{n}": v for n, v in place.items()}} for k in (0, 1)
    ]
    for row, start in zip(about, (0.0, 0.3), strict=True):
        row["videos/observation.images.front/from_timestamp"] = start
    path = folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(about), path)
    pq.write_table(pa.table({"task_index": [0], "task": ["push it"]}), folder / "meta" / "tasks.parquet")
    features = {
        "observation.state": {"dtype": "float32", "shape": [8], "names": list(names)},
        "action": {"dtype": "float32", "shape": [7], "names": list(robot.action.names)},
        "observation.images.front": {"dtype": "video", "shape": [size[1], size[0], 3], "names": None},
    }
    layout = {"video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"}
    info = {"codebase_version": "v3.0", "fps": 10, "features": features, **layout}
    (folder / "meta" / "info.json").write_text(json.dumps(info))
    return folder


def test_a_dataset_of_others_becomes_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a reader of our own files only; frames of the first episode shown in the second."""
    monkeypatch.setattr("wam_core.cli.convert.load_robot", lambda name: ROBOT)
    source = foreign(tmp_path / "set", ROBOT, ROBOT.joint_names)
    assert run("convert", [str(source), "--out", str(tmp_path / "out"), "--robot", "small"]) == 0
    first, second = (read_episodes(p, cameras=["front"])[0] for p in sorted((tmp_path / "out").glob("*.mcap")))
    assert second.instruction == "push it" and len(first.stamps_ns) == 3 and len(second.stamps_ns) == 4
    levels = second.images["front"].mean(axis=(1, 2, 3))
    assert np.allclose(levels, [90, 120, 150, 180], atol=4)
    assert np.allclose(second.joint_position[0, :7], ROBOT.home + 0.03, atol=1e-6)


def test_a_dataset_in_unknown_units_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: degrees taken for radians because the number of columns fits."""
    source = foreign(tmp_path / "set", ROBOT, tuple(f"motor_{k}.pos" for k in range(8)))
    with pytest.raises(ContractError, match="a robot file"):
        run("convert", [str(source), "--out", str(tmp_path / "out")])
    monkeypatch.setattr("wam_core.cli.convert.load_robot", lambda name: ROBOT)
    with pytest.raises(ContractError, match=r"observation\.state.*motor_0\.pos.*panda_joint1"):
        run("convert", [str(source), "--out", str(tmp_path / "out"), "--robot", "small"])


def test_what_cannot_go_in_is_named(tmp_path: Path) -> None:
    """Prevents: half a set taken for all of it; sets mixed in one folder."""
    write_episode(tmp_path / "in" / "a.mcap", ROBOT, 3)
    (tmp_path / "in" / "b.mcap").write_bytes(b"no recording")
    assert run("convert", [str(tmp_path / "in"), "--out", str(tmp_path / "set")]) == 1
    with pytest.raises(ContractError, match="empty"):
        run("convert", [str(tmp_path / "in"), "--out", str(tmp_path / "set")])
    (tmp_path / "in" / "b.mcap").unlink()
    write_episode(tmp_path / "in" / "b.mcap", ROBOT, 3, metadata={"cameras": "front"})
    with pytest.raises(ContractError, match=r"b\.mcap:.*wrist"):
        run("convert", [str(tmp_path / "in"), "--out", str(tmp_path / "other")])


def test_a_picture_is_stored_as_it_was_seen(tmp_path: Path) -> None:
    """Prevents: red and blue exchanged in the files and exchanged again when read, so that only others see it."""
    folder = convert(write_episode(tmp_path / "a.mcap", ROBOT, 2), tmp_path / "set")
    cell = table(folder)["observation.images.front"][1].as_py()
    bgr = cv2.imdecode(np.frombuffer(cell["bytes"], np.uint8), cv2.IMREAD_COLOR)
    assert cell["path"] is None and np.array_equal(bgr[:, :, ::-1], known_image("front", 1))
