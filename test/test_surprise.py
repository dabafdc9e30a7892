"""Imagined against measured: what counts as a surprise, where, when it is known, and that an unseen hand is one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wam_core.contract import Future
from wam_core.errors import ContractError
from wam_core.evaluation.comparison import EARLY_NS, OWN_M, SLACK, Comparison, Watch, error_map
from wam_core.evaluation.surprise import (
    CHANGES,
    FILE,
    GRID,
    Usual,
    judge,
    learn,
    load_usual,
    overlay,
    region_boxes,
    save_usual,
)
from wam_core.policy import checkpoint_folder
from wam_core.provenance import checkpoint_digest
from wam_core.robot.robot_file import load_robot

ROBOT = load_robot("panda_cell")
STAMP, STEP = 1_790_000_000_000_000_000, 400_000_000
REGIONS = {"front": (0, 0, 32, 32), "wrist": (0, 32, 32, 32)}
#: Every class of foreseen change has this usual error.
PLAIN = Usual({camera: [0.05] * (len(CHANGES) + 1) for camera in REGIONS}, 1.0, 1, "d")


def scene(column: int, brightness: int = 120) -> np.ndarray:
    """A grey table with a red block at that column."""
    image = np.full((32, 32, 3), brightness, np.uint8)
    image[12:18, column : column + 6] = (200, 30, 30)
    return image


def future(begin_ns: int, column: int = 8, steps: int = 2) -> Future:
    frame = np.concatenate([scene(column), scene(column)], axis=1)
    return Future(begin_ns, "video", STEP, np.stack([frame] * steps), REGIONS, 7)


def show(watch: Watch, stamp_ns: int, column: int, tool: np.ndarray | None = None) -> list[Comparison]:
    return [c for name in REGIONS for c in watch.see(name, stamp_ns, scene(column), tool)]


def compared(column: int, imagined: int = 8, tool: np.ndarray | None = None) -> Comparison:
    """The block was at 8, was imagined somewhere, and is found at ``column``."""
    watch = Watch(ROBOT)
    show(watch, STAMP, 8)
    watch.expect(future(STAMP, imagined, steps=1))
    (found,) = show(watch, STAMP + STEP, column, tool)
    return found


@given(st.integers(4, 22), st.integers(90, 150), st.integers(-SLACK, SLACK))
def test_light_and_small_shifts_are_no_surprise_and_a_moved_thing_is(column: int, light: int, shift: int) -> None:
    """Prevents: an alarm at every cloud, or none when the block is gone."""
    there = scene(column)
    assert error_map(there, scene(int(np.clip(column + shift, 0, 26)), light)).max() < 0.02
    away = (column + 12) % 26
    found = error_map(there, scene(away))
    assert found.max() > 0.2 and np.array_equal(found, error_map(scene(away), there))


def test_an_error_is_that_of_each_channel() -> None:
    """Prevents: a change of scale, of which every usual error that was learned would be a wrong one."""
    red, grey = (np.full((32, 32, 3), colour, np.uint8) for colour in ((200, 20, 80), (100, 100, 100)))
    expected = np.sqrt(np.mean(np.square([100.0, -80.0, -20.0]))) / 255.0
    assert np.allclose(error_map(red, grey), expected, atol=1e-6)


def test_two_futures_of_one_instant_are_both_compared() -> None:
    """Prevents: wam_futures ending with an error where a preset imagines pictures twice, or sends a future again."""
    watch = Watch(ROBOT)
    show(watch, STAMP, 8)
    for _ in range(2):
        watch.expect(future(STAMP))
    assert [c.stamp_ns for c in show(watch, STAMP + STEP, 8)] == [STAMP + STEP] * 2


def test_an_instant_is_compared_once_all_cameras_have_shown_it() -> None:
    """Prevents: frames compared with images of another instant, or half an instant taken for the whole."""
    watch = Watch(ROBOT)
    show(watch, STAMP, 8)
    watch.expect(future(STAMP))
    assert watch.see("front", STAMP + STEP // 2, scene(20), None) == []
    assert watch.see("front", STAMP + STEP, scene(8), None) == []
    assert watch.see("side", STAMP + STEP, scene(8), None) == []
    (found,) = watch.see("wrist", STAMP + STEP + 30_000_000, scene(20), None)
    assert (found.stamp_ns, found.imagined_ns, found.sequence) == (STAMP + STEP, STAMP, 7)
    assert found.errors["front"].max() < 0.02 < 0.2 < found.errors["wrist"].max()
    assert watch.see("front", STAMP + STEP, scene(8), None) == []


def test_a_future_that_comes_late_is_compared_with_what_was_seen_before_it() -> None:
    """Prevents: a slow model that is never surprised, because its first instants are over when they are imagined."""
    watch = Watch(ROBOT)
    for k in range(3):
        assert show(watch, STAMP + k * STEP, 8) == []
    assert [c.stamp_ns for c in watch.expect(future(STAMP))] == [STAMP + STEP, STAMP + 2 * STEP]


def test_nothing_is_foreseen_from_a_picture_that_nobody_has() -> None:
    """Prevents: change that is measured from a picture of another time."""
    watch = Watch(ROBOT)
    show(watch, STAMP - round(2e9 * ROBOT.staleness.image_s), 8)
    watch.expect(future(STAMP))
    assert show(watch, STAMP + STEP, 8) == []


def test_what_came_a_little_early_was_foreseen() -> None:
    """Prevents: an alarm because the arm covers or bares a thing a tenth of a second before its time; a memory that
    finds everything in what was long ago."""
    for early_ns, expected in ((EARLY_NS, True), (EARLY_NS + 100_000_000, False)):
        watch = Watch(ROBOT)
        show(watch, STAMP, 20)
        watch.expect(future(STAMP, 8, steps=1))
        show(watch, STAMP + STEP - early_ns, 8)
        (found,) = show(watch, STAMP + STEP, 20)
        assert (found.errors["front"].max() < 0.02) == expected


def test_around_the_tool_a_camera_that_stands_still_tells_nothing() -> None:
    """Prevents: the arm's own doing, above all a block that it pushes on, taken for something that happened to it; a
    blind spot as large as the picture; one in the camera on the arm, which always has the tool before it."""
    tool = np.array([0.5, 0.0, 0.1])
    found = compared(8, tool=tool)
    hidden = np.isnan(found.errors["front"])
    assert 0.01 < hidden.mean() < 0.3 and not np.isnan(found.errors["wrist"]).any()
    assert not np.isnan(compared(8).errors["front"]).any()
    assert not np.isnan(compared(8, tool=np.zeros(3)).errors["wrist"]).any()
    further = np.isnan(compared(8, tool=tool + [0.0, 3 * OWN_M, 0.0]).errors["front"])
    assert not (hidden & further).any() and further.any()


def test_what_was_to_stay_is_the_greater_surprise() -> None:
    """Prevents: one scale for a place where the model foresees nothing and one where its pictures blur, by which either
    every contact is an alarm or no hand is one."""
    usual = learn([[compared(8), compared(11), compared(24, imagined=24), compared(20, imagined=16)]] * 3, "d")
    still = usual.times("front", np.full((2, 2), 0.1), np.zeros((2, 2)))
    changing = usual.times("front", np.full((2, 2), 0.1), np.full((2, 2), 0.3))
    assert np.all(still > 2.0 * changing)
    assert np.isnan(usual.times("side", np.zeros((2, 2)), np.zeros((2, 2)))).all()


def test_one_is_what_hardly_an_undisturbed_episode_comes_to() -> None:
    """Prevents: a number that nobody can set a threshold by."""
    episodes = [[compared(column)] for column in (8, 9, 10, 11, 11, 11, 11, 11, 11, 12)]
    usual = learn(episodes, "d")
    peaks = [judge(episode[0], usual).value for episode in episodes]
    assert np.quantile(peaks, 0.95) == pytest.approx(1.0) and usual.episodes == 10
    assert judge(compared(24), usual).value > 2.0
    with pytest.raises(ContractError, match="episodes"):
        learn([[]], "d")


def test_a_surprise_says_where() -> None:
    """Prevents: a region that is a whole camera; a frame drawn elsewhere than where the thing is gone."""
    found = judge(compared(24), PLAIN)
    boxes = region_boxes((32, 32))
    assert len(found.regions) == len(REGIONS) * GRID[0] * GRID[1] and found.value == max(found.regions.values())
    for place in ((14, 10), (14, 26)):
        (region,) = [k for k, (t, left, b, r) in boxes.items() if t <= place[0] < b and left <= place[1] < r]
        assert found.regions["front/{}/{}".format(*region)] > 1.0
    assert found.regions["front/0/0"] < 0.5 and found.regions["front/3/3"] < 0.5
    picture = overlay(found)["front"].astype(int)
    assert (picture - scene(24))[14, 26, 0] > 10 and np.array_equal(picture[28:, 28:], scene(24)[28:, 28:])
    top, left, _, _ = boxes[1, 3]
    assert picture[top, left].tolist() == [255, 0, 0]


def test_without_a_scale_there_is_no_number() -> None:
    """Prevents: a level out of thin air for a model of which nobody learned what is usual."""
    found = judge(compared(24), None)
    assert np.isnan(found.value) and all(np.isnan(value) for value in found.regions.values())
    assert (overlay(found)["front"].astype(int) - scene(24))[14, 26, 0] > 10


def test_what_is_usual_belongs_to_its_weights(tmp_path: Path) -> None:
    """Prevents: a retrained model measured by what another one used to err; a damaged file that is half read."""
    assert load_usual(tmp_path, "d") is None
    save_usual(tmp_path, PLAIN)
    assert load_usual(tmp_path, "d") == PLAIN
    with pytest.raises(ContractError, match="digest"):
        load_usual(tmp_path, "another")
    save_usual(tmp_path, replace(PLAIN, levels={"front": [0.1]}))
    with pytest.raises(ContractError, match="levels"):
        load_usual(tmp_path, "d")
    (tmp_path / FILE).write_text("{")
    with pytest.raises(ContractError, match=FILE):
        load_usual(tmp_path, "d")


def test_the_shipped_checkpoint_knows_what_is_usual() -> None:
    """Prevents: new weights shipped with the scale of the old ones; a digest that leaves out one of their files."""
    folder = checkpoint_folder("fast_wam")
    usual = load_usual(folder, checkpoint_digest(folder))
    assert usual is not None and set(usual.levels) == {"front", "wrist"}


def test_what_was_imagined_for_another_scene_is_forgotten() -> None:
    """Prevents: every reset of the scene being a surprise; other substrates being taken for pictures."""
    watch = Watch(ROBOT)
    show(watch, STAMP, 8)
    watch.expect(future(STAMP))
    watch.forget()
    watch.expect(Future(STAMP, "flow", STEP, np.zeros((2, 32, 64, 2), np.float32), REGIONS))
    assert show(watch, STAMP + STEP, 24) == []


@pytest.mark.slow
@pytest.mark.parametrize("task", ["reach", "push", "drawer"])
def test_an_unseen_hand_is_a_surprise(task: str) -> None:
    """Prevents: a surprise that says nothing. The whole measurement is `wam bench surprise`."""
    from wam_core.evaluation.unseen_hand import compare, summary

    folder = checkpoint_folder("fast_wam")
    usual = load_usual(folder, checkpoint_digest(folder))
    assert usual is not None
    found = summary(task, compare("fast_wam", "panda_cell", task, range(200, 202), "auto", usual), 0)
    assert found.ratio > 3.0 and found.apart == 1.0 and found.noticed >= 1
