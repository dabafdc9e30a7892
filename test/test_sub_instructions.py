"""The parts of a task: said by whoever demonstrates it, recorded, and learned under their own words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic_recording import START_NS, small_robot, write_episode
from tiny import PARTS, tiny_frames, tiny_preset

from wam_core.cell.cell import Cell
from wam_core.data.training_set import load_frames
from wam_core.errors import ContractError
from wam_core.evaluation.demonstrations import record_demonstration
from wam_core.executor.executor import Executor
from wam_core.model.text import TextEncoder
from wam_core.preprocess.images import ImageLayout
from wam_core.preset import ACTION
from wam_core.presets import build_substrates
from wam_core.robot.robot_file import load_robot
from wam_core.training.augment import augmented
from wam_core.training.batches import make_batches, statistics_of, vocabulary_of

LAYOUT = ImageLayout(("front", "wrist"), 6, 8)


def test_an_expert_says_what_it_does_and_the_recording_keeps_it(tmp_path: Path) -> None:
    """Sub-instructions that were written by hand for a search had never been done by anybody."""
    cell = Cell(load_robot("panda_cell"), "raycast")
    cell.reset("drawer", 3)
    thing = cell.goal.thing
    assert record_demonstration(cell, Executor(cell.robot), "drawer", 3, tmp_path / "a.mcap", ("front",)).success
    frames = load_frames(tmp_path, ImageLayout(("front",), 6, 8), tmp_path / "cache")
    hook, pull = f"hook the handle of {thing}", f"pull {thing}"
    assert frames.parts() == {f"open {thing}": (hook, pull)}
    parts = frames.by_sub_instruction()
    begin, end = parts.bounds[parts.instructions.index(pull)]
    x = frames.proprioception[:, 0]
    assert x[end - 1] < x[begin] - 0.05, "the arm pulls while it says so"
    again = load_frames(tmp_path, ImageLayout(("front",), 6, 8), tmp_path / "cache")
    assert np.array_equal(again.sub_instructions, frames.sub_instructions), "from the cache"


def test_the_future_of_a_part_ends_where_the_part_is_done() -> None:
    """The sub-goal of 'go behind the block' showed the block in its zone."""
    frames = tiny_frames(episodes=2, length=20)
    parts = frames.by_sub_instruction()
    assert parts.bounds.tolist() == [[0, 11], [11, 20], [20, 31], [31, 40]]
    assert parts.instructions == (*PARTS[0], *PARTS[1]) and parts.files == tuple(frames.files[i] for i in (0, 0, 1, 1))
    assert parts.windows(8, 4).frame[9].tolist() == [10, 10] and frames.windows(8, 4).frame[9].tolist() == [13, 17]
    assert frames.parts() == dict(zip(frames.instructions, PARTS, strict=True))


def test_what_nobody_said_is_not_guessed(tmp_path: Path) -> None:
    """Steps before the first word took the words of the next part; recordings without words had empty ones."""
    robot = small_robot()
    write_episode(tmp_path / "silent" / "a.mcap", robot)
    silent = load_frames(tmp_path / "silent", LAYOUT, tmp_path / "cache")
    assert silent.sub_instructions is None and silent.parts() == {}
    with pytest.raises(ContractError, match=r"sub_instructions.*none"):
        silent.by_sub_instruction()
    late = [(START_NS + 4 * robot.step_ns, "push")]
    write_episode(tmp_path / "late" / "b.mcap", robot, doing=late)
    frames = load_frames(tmp_path / "late", LAYOUT, tmp_path / "cache")
    assert frames.sub_instructions is not None
    assert frames.sub_instructions.tolist() == [""] * 4 + ["push"] * (len(frames.actions) - 4)
    with pytest.raises(ContractError, match=r"at row 0"):
        frames.by_sub_instruction()
    write_episode(tmp_path / "late" / "c.mcap", robot)
    assert load_frames(tmp_path / "late", LAYOUT, tmp_path / "cache").sub_instructions is None, "one does not say it"


def test_colours_are_exchanged_in_the_words_of_the_parts_too() -> None:
    """A red block was pushed under 'go behind the blue block'."""
    frames = tiny_frames()
    copy = augmented(frames, np.random.default_rng(1))
    assert copy.sub_instructions is not None and copy.instructions != frames.instructions
    for (begin, end), task in zip(copy.bounds, copy.instructions, strict=True):
        if task.startswith("push"):
            block = task.split()[2]
            assert copy.sub_instructions[begin] == f"go behind the {block} block"
            assert copy.sub_instructions[end - 1] == task


def test_a_preset_that_asks_for_parts_learns_every_window_under_both_words() -> None:
    """The parts were in the vocabulary and in no batch."""
    frames, preset = tiny_frames(), tiny_preset("unipi")
    vocabulary = vocabulary_of(frames)
    assert "touch" in vocabulary
    text = TextEncoder(vocabulary, preset.text_length, 8)
    told = replace(preset, training=replace(preset.training, sub_instructions=True))
    parts, statistics = build_substrates(preset, frames.robot), statistics_of(preset, frames)
    whole, both = (make_batches(p, frames, parts, text, statistics) for p in (preset, told))
    rows = len(frames.actions)
    assert len(whole) == rows and len(both) == 2 * rows
    assert both.words[rows].tolist() == text.tokenize(PARTS[0][0]).tolist() != both.words[0].tolist()
    # Ten steps into a part of eleven, the arm holds: its chunk is the next action again and again.
    chunk = both.features[ACTION, "future"][rows + 10]
    assert not np.allclose(chunk, whole.features[ACTION, "future"][10])
