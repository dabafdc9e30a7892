"""Imagined against measured: what counts as a surprise, when it is known, and that an unseen hand is one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wam_core.contract import Future
from wam_core.evaluation.surprise import ENOUGH, SLACK, Watch, error_map, overlay
from wam_core.evaluation.unseen_hand import compare, ratio_and_interval, told_apart
from wam_core.robot.contract import load_robot

ROBOT = load_robot("panda_cell")
STAMP, STEP = 1_790_000_000_000_000_000, 400_000_000
REGIONS = {"front": (0, 0, 32, 32), "wrist": (0, 32, 32, 32)}


def scene(column: int, brightness: int = 120) -> np.ndarray:
    """A grey table with a red block at that column."""
    image = np.full((32, 32, 3), brightness, np.uint8)
    image[12:18, column : column + 6] = (200, 30, 30)
    return image


def future(begin_ns: int, column: int = 8, steps: int = 2) -> Future:
    frame = np.concatenate([scene(column), scene(column)], axis=1)
    return Future(begin_ns, "video", STEP, np.stack([frame] * steps), REGIONS, 7)


def show(watch: Watch, begin_ns: int, column: int) -> list:
    """Both cameras at the first imagined instant."""
    return [s for name in REGIONS for s in watch.see(name, begin_ns + STEP, scene(column))]


@given(st.integers(4, 22), st.integers(90, 150), st.integers(-SLACK, SLACK))
def test_light_and_small_shifts_are_no_surprise_and_a_moved_thing_is(column: int, light: int, shift: int) -> None:
    """Prevents: an alarm at every cloud, or none when the block is gone."""
    there = scene(column)
    assert error_map(there, scene(int(np.clip(column + shift, 0, 26)), light)).max() < 0.02
    away = (column + 12) % 26
    found = error_map(there, scene(away))
    assert found.max() > 0.2 and np.array_equal(found, error_map(scene(away), there))


def test_two_futures_of_one_instant_are_both_compared() -> None:
    """Prevents: wam_futures ending with an error where a preset imagines pictures twice, or sends a future again."""
    watch = Watch(ROBOT)
    for _ in range(2):
        watch.expect(future(STAMP))
    assert [s.stamp_ns for s in show(watch, STAMP, 8)] == [STAMP + STEP] * 2


def test_an_instant_is_compared_once_all_cameras_have_shown_it() -> None:
    """Prevents: frames compared with images of another instant, or half an instant taken for the whole."""
    watch = Watch(ROBOT)
    watch.expect(future(STAMP))
    assert watch.see("front", STAMP + STEP // 2, scene(20)) == []
    assert watch.see("front", STAMP + STEP, scene(8)) == [] and watch.see("side", STAMP + STEP, scene(8)) == []
    (found,) = watch.see("wrist", STAMP + STEP + 30_000_000, scene(20))
    assert (found.stamp_ns, found.imagined_ns, found.sequence) == (STAMP + STEP, STAMP, 7)
    assert found.regions["front"] < 0.02 < 0.2 < found.regions["wrist"]
    assert watch.see("front", STAMP + STEP, scene(8)) == []
    reddened = overlay(found)["wrist"].astype(int) - scene(20)
    assert reddened[14, 22, 0] > 10 and np.all(reddened[0, 0] == 0)


def test_surprise_is_measured_by_what_is_usual() -> None:
    """Prevents: a camera that always differs drowning the one that saw something happen; a level out of thin air."""
    watch = Watch(ROBOT)
    for k in range(ENOUGH):
        watch.expect(future(STAMP + k * STEP, steps=1))
        (found,) = show(watch, STAMP + k * STEP, 11)
        assert np.isnan(found.value)
    begin = STAMP + ENOUGH * STEP
    watch.expect(future(begin, steps=1))
    assert show(watch, begin, 11)[0].value == pytest.approx(1.0)
    watch.expect(future(begin + STEP, steps=1))
    assert show(watch, begin + STEP, 24)[0].value > 1.5


def test_what_was_imagined_for_another_scene_is_forgotten() -> None:
    """Prevents: every reset of the scene being a surprise; other substrates being taken for pictures."""
    watch = Watch(ROBOT)
    watch.expect(future(STAMP))
    watch.forget()
    watch.expect(Future(STAMP, "flow", STEP, np.zeros((2, 32, 64, 2), np.float32), REGIONS))
    assert show(watch, STAMP, 24) == []


@pytest.mark.slow
def test_an_unseen_hand_is_a_surprise() -> None:
    """Prevents: a surprise that says nothing. The whole measurement is `wam bench surprise`."""
    pairs = compare("fast_wam", "panda_cell", "reach", range(3), "auto")
    assert ratio_and_interval(pairs, 0)[0] > 1.2 and told_apart(pairs) > 0.7
