"""Folders of episodes as training arrays, windows, the cache, and the summary for people."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from synthetic_recording import CAMERAS, known_action, known_image, small_robot, write_episode

from wam_core.cli.data import lines
from wam_core.cli.main import run
from wam_core.data.doubts import outlying, slow, still
from wam_core.data.frames import TrainingFrames
from wam_core.data.summary import summarise
from wam_core.data.training_set import load_frames
from wam_core.errors import ContractError
from wam_core.preprocess.images import ImageLayout, lay_out

LAYOUT = ImageLayout(("front", "wrist"), 6, 8)
ROBOT = small_robot()


def folder_of_three(folder: Path) -> Path:
    """A good episode, one with a gap in the middle, and a failure."""
    write_episode(folder / "a.mcap", ROBOT, steps=10)
    write_episode(folder / "b.mcap", ROBOT, steps=20, missing={"wrist": range(5, 12)})
    write_episode(folder / "c.mcap", ROBOT, steps=10, outcome={"success": "false"})
    return folder


def bare_frames(lengths: list[int]) -> TrainingFrames:
    ends = np.cumsum(lengths)
    count = int(ends[-1])
    return TrainingFrames(
        images=np.zeros((count, 1, 1, 3), np.uint8),
        proprioception=np.zeros((count, 7)),
        actions=np.arange(count)[:, None].astype(float),
        bounds=np.stack([ends - lengths, ends], axis=1),
        instructions=("reach",) * len(lengths),
        files=("f",) * len(lengths),
        robot=ROBOT,
        layout=LAYOUT,
    )


def test_frames_hold_successful_steps_as_the_live_path_would_see_them(tmp_path: Path) -> None:
    """A cache that was preprocessed differently trains a model for another camera."""
    frames = load_frames(folder_of_three(tmp_path / "set"), LAYOUT, tmp_path / "cache")
    assert frames.files == ("a.mcap", "b.mcap", "b.mcap") and frames.bounds.tolist() == [[0, 10], [10, 18], [18, 26]]
    live = lay_out(ROBOT, {name: known_image(name, 15) for name in LAYOUT.cameras}, LAYOUT)
    assert np.array_equal(frames.images[21], live)
    assert np.array_equal(frames.actions[21], known_action(15))
    assert frames.instructions == ("push the red block",) * 3


def test_the_cache_is_used_until_files_or_settings_change(tmp_path: Path) -> None:
    """A stale cache trains on yesterday's data; no cache costs minutes at every start."""
    folder, cache = folder_of_three(tmp_path / "set"), tmp_path / "cache"
    read: list[int] = []
    first = load_frames(folder, LAYOUT, cache, report=lambda done, total: read.append(done))
    again = load_frames(folder, LAYOUT, cache, report=lambda done, total: read.append(done))
    assert read == [1, 2, 3]
    for name in ("images", "proprioception", "actions", "bounds"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert set(first.channels) == set(again.channels) == {"contact"}
    assert np.array_equal(first.channels["contact"], again.channels["contact"])
    assert again.instructions == first.instructions and again.robot.to_dict() == ROBOT.to_dict()
    load_frames(folder, replace(LAYOUT, height=3), cache, report=lambda done, total: read.append(done))
    write_episode(folder / "d.mcap", ROBOT, steps=4)
    assert len(load_frames(folder, LAYOUT, cache).actions) == len(first.actions) + 4 and read == [1, 2, 3] * 2


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 4), st.integers(1, 3))
def test_windows_never_leave_their_stretch(lengths: list[int], stride: int, frames: int) -> None:
    """A window across an episode's end teaches the arm to teleport."""
    loaded, horizon = bare_frames(lengths), stride * frames
    windows, stretch = loaded.windows(horizon, stride), loaded.stretch
    assert np.array_equal(windows.start, np.arange(sum(lengths)))
    assert windows.action.shape == (sum(lengths), horizon) and windows.frame.shape == (sum(lengths), frames)
    for rows in (windows.action, windows.frame):
        assert np.all(stretch[rows] == stretch[:, None])
    last = loaded.bounds[stretch, 1][:, None] - 1
    assert np.array_equal(windows.action, np.minimum(windows.start[:, None] + np.arange(horizon), last))
    # Action k of a window leads to the instant of frame k + 1; every stride-th of those instants is shown.
    assert np.array_equal(windows.frame, np.minimum(windows.action[:, stride - 1 :: stride] + 1, last))


def test_a_stride_that_does_not_divide_the_horizon_is_refused() -> None:
    """Frames and actions would end at different instants."""
    with pytest.raises(ContractError, match="frame_stride"):
        bare_frames([4]).windows(8, 3)


def test_selected_stretches_keep_their_rows_together(tmp_path: Path) -> None:
    """A validation split by rows instead of episodes is no validation."""
    frames = load_frames(folder_of_three(tmp_path / "set"), LAYOUT, tmp_path / "cache")
    part = frames.select([2, 0])
    assert part.bounds.tolist() == [[0, 8], [8, 18]] and part.files == ("b.mcap", "a.mcap")
    assert np.array_equal(part.images[:8], frames.images[18:26])
    assert np.array_equal(part.actions[8:], frames.actions[:10])


def test_channels_go_with_their_rows_and_only_where_all_recordings_have_them(tmp_path: Path) -> None:
    """The episodes held out were shown the touches of others; what one recording lacks was filled in."""
    frames = replace(bare_frames([3, 4]), channels={"touch": np.arange(7.0)[:, None]})
    assert frames.select([1]).scenes.channel("touch")[:, 0].tolist() == [3.0, 4.0, 5.0, 6.0]
    assert np.array_equal(frames.scenes.channel("proprioception"), frames.proprioception)
    write_episode(tmp_path / "a.mcap", ROBOT)
    assert set(load_frames(tmp_path, LAYOUT, tmp_path / "cache").channels) == {"contact"}
    write_episode(tmp_path / "b.mcap", ROBOT, missing={"wrench": range(100)})
    assert not load_frames(tmp_path, LAYOUT, tmp_path / "cache").channels


def test_recordings_of_two_robots_do_not_mix(tmp_path: Path) -> None:
    """Averaging two robots' actions trains neither."""
    write_episode(tmp_path / "a.mcap", ROBOT)
    write_episode(tmp_path / "b.mcap", replace(ROBOT, name="other"))
    with pytest.raises(ContractError, match=r"b\.mcap:robot\.name.*other"):
        load_frames(tmp_path, LAYOUT, tmp_path / "cache")
    with pytest.raises(ContractError, match="data"):
        load_frames(tmp_path / "cache", LAYOUT, tmp_path / "cache")


def test_a_safety_limit_may_change_between_recordings(tmp_path: Path) -> None:
    """After a lower tool speed in the robot file, last week's demonstrations no longer trained with today's."""
    write_episode(tmp_path / "a.mcap", ROBOT)
    write_episode(tmp_path / "b.mcap", replace(ROBOT, workspace=replace(ROBOT.workspace, speed=0.1)))
    assert len(load_frames(tmp_path, LAYOUT, tmp_path / "cache").bounds) == 2


def test_the_summary_counts_and_names_what_would_make_training_fail(tmp_path: Path) -> None:
    """One unreadable file among hundreds must be named before the training run finds it."""
    folder = folder_of_three(tmp_path)
    write_episode(folder / "d.mcap", ROBOT, missing={"front": range(12)})
    write_episode(folder / "e.mcap", ROBOT, actions=False)
    whole = (folder / "a.mcap").read_bytes()
    (folder / "f.mcap").write_bytes(whole[: int(len(whole) * 0.7)])
    summary = summarise(folder)
    assert summary.tasks["push"][:3] == (10, 16, 10)
    assert summary.outcomes == {"success": 3, "failure": 1, "unlabelled": 1}
    assert len(summary.problems) == 1 and "d.mcap:front" in summary.problems[0]
    assert summary.unfinished == ("f.mcap",) and summary.derived == ("e.mcap",)
    assert summary.gaps == {"b.mcap:wrist": pytest.approx(0.4)}
    assert summary.columns["action x"] == pytest.approx((0.36, 0.48, 0.5), abs=0.05)
    text = "\n".join(lines(summary))
    assert "PROBLEMS (1)" in text and "push the red block" in text and "front" in text


def test_what_speaks_against_training_on_a_set_is_said(tmp_path: Path) -> None:
    """A gripper that never closed, a value in degrees, another arm or a slow camera were found after the training."""
    for k in range(8):
        write_episode(tmp_path / f"{k}.mcap", ROBOT)
    plain = summarise(tmp_path).doubts
    assert plain == tuple(doubt for doubt in plain if "is always" in doubt)
    write_episode(tmp_path / "other.mcap", replace(ROBOT, base_frame="somewhere_else"))
    doubts = summarise(tmp_path).doubts
    assert [doubt for doubt in doubts if doubt not in plain] == [
        "other.mcap: robot.base_frame is somewhere_else, in 0.mcap 'panda_link0'"
    ]


def figures(episodes: np.ndarray) -> np.ndarray:
    sums = [episodes.min(1), episodes.mean(1), episodes.max(1), np.square(episodes).mean(1)]
    return np.stack([*sums, np.full(len(episodes), episodes.shape[1])], axis=1)


def test_an_outlier_is_found_among_what_is_usual_and_a_slow_camera_among_fast_ones() -> None:
    """One episode in degrees among hundreds in radians stretched the normalisation until nothing moved."""
    rng, files = np.random.default_rng(0), [f"{k}.mcap" for k in range(20)]
    episodes = rng.standard_t(3, (20, 50)) * 0.1  # heavy tails are usual
    assert outlying(files, {"rx": figures(episodes)}) == []
    episodes[7] *= 180 / np.pi
    assert {line.split(" reaches")[0] for line in outlying(files, {"rx": figures(episodes)})} == {"7.mcap: rx"}
    assert still({"gripper": (1.0, 1.0, 1.0), "x": (0.0, 0.1, 0.2)}) == ["gripper is always 1.0000"]
    assert slow(ROBOT, {"front": 10.0, "wrist": 5.0}) == ["wrist sends 5.0 Hz, the contract says 10"]


def test_the_contact_sheet_shows_episodes_of_every_task_at_begin_middle_and_end(tmp_path: Path) -> None:
    """Nobody saw that a camera had been covered: figures alone do not say it."""
    folder, out = tmp_path / "set", tmp_path / "sheet.png"
    for task, count in (("push", 5), ("reach", 1)):
        for k in range(count):
            write_episode(folder / f"{task}_{k}.mcap", ROBOT, metadata={"task": task, "seed": str(k)})
    assert run("data", [str(folder), "--pictures", str(out)]) == 0
    sheet = np.asarray(Image.open(out))
    for camera in CAMERAS:
        for step in (0, 5, 11):
            tile = known_image(camera, step)
            places = np.lib.stride_tricks.sliding_window_view(sheet, tile.shape)[:, :, 0]
            assert (places == tile).all(axis=(2, 3, 4)).sum() == 4, (camera, step)


def test_what_came_before_stays_in_its_stretch() -> None:
    """The memory of an episode began in the one before it."""
    frames = bare_frames([4, 3])
    assert frames.before(2, 2).tolist() == [[0, 0], [0, 0], [0, 0], [0, 1], [4, 4], [4, 4], [4, 4]]
