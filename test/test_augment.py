"""Augmentation changes picture, words and motion together, or not at all."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import tiny_frames

from wam_core.cell.cell import Cell
from wam_core.cell.scene import COLOURS as CELL_COLOURS
from wam_core.errors import ContractError
from wam_core.robot.robot_file import load_robot
from wam_core.training.augment import COLOURS, MIRROR_SIGNS, augmented, exchange_colours


def test_the_colours_are_those_of_the_cell() -> None:
    """A colour word was added to the cell, and augmented scenes lied about it."""
    assert set(COLOURS) == set(CELL_COLOURS)


@pytest.mark.parametrize("word", COLOURS)
def test_exchanged_and_back_is_nearly_the_same(word: str) -> None:
    """Edges, which mix an object with the table, took on a third colour."""
    cell = Cell(load_robot("panda_cell"), "raycast")
    cell.reset("push", 3)
    image = cell.image("front")
    other = "red" if word != "red" else "blue"
    there = {**{n: n for n in COLOURS}, word: other, other: word}
    changed = exchange_colours(image, there)
    back = exchange_colours(changed, there)
    assert np.abs(back.astype(int) - image).mean() < 1.0
    grey = image.max(axis=-1).astype(int) - image.min(axis=-1) < 20
    assert np.array_equal(changed[grey], image[grey])


def test_picture_words_and_motion_agree() -> None:
    """The picture was mirrored and the action was not: the arm went the other way."""
    frames = tiny_frames(episodes=40, length=4)
    made = augmented(frames, np.random.default_rng(0))
    y = frames.robot.action.names.index("y")
    mirrored = [made.actions[a, y] != frames.actions[a, y] for a, _ in frames.bounds]
    assert 5 < sum(mirrored) < 35
    for (a, b), flipped, before, after in zip(
        frames.bounds, mirrored, frames.instructions, made.instructions, strict=True
    ):
        own, new = frames.images[a:b].max(axis=-1).astype(int), made.images[a:b].max(axis=-1).astype(int)
        tiles = [own[:, :, s] for s in (slice(0, 32), slice(32, 64))]
        expected = np.concatenate([t[:, :, ::-1] if flipped else t for t in tiles], axis=2)
        bright = expected > 200
        assert np.array_equal(bright, new > 140) or (bright & (new > 100)).sum() > 0.9 * bright.sum()
        for column, name in enumerate(frames.robot.action.names):
            sign = MIRROR_SIGNS[name] if flipped else 1
            assert np.array_equal(made.actions[a:b, column], sign * frames.actions[a:b, column])
        assert len(before.split()) == len(after.split())
        changed = {x: y for x, y in zip(before.split(), after.split(), strict=True) if x != y}
        assert set(changed) | set(changed.values()) <= set(COLOURS)


def test_words_are_exchanged_however_they_are_written() -> None:
    """"the Red ball." kept its word while the ball changed its colour."""
    frames = tiny_frames(episodes=24, length=4)
    plain = augmented(replace(frames, instructions=("reach the red ball",) * 24), np.random.default_rng(0))
    shouted = augmented(replace(frames, instructions=("Reach the RED ball.",) * 24), np.random.default_rng(0))
    assert plain.instructions == shouted.instructions and len(set(plain.instructions)) == len(COLOURS)


def test_what_cannot_be_mirrored_is_refused() -> None:
    """A side camera's picture, or joint angles, were mirrored as if they were in the plane of symmetry."""
    frames = tiny_frames(episodes=2, length=4)
    seen_aside = replace(frames, layout=replace(frames.layout, cameras=("front", "side")))
    action = replace(frames.robot.action, names=frames.robot.joint_names)
    by_joints = replace(frames, robot=replace(frames.robot, action=action))
    for unfit, named in ((seen_aside, "side"), (by_joints, "panda_joint1")):
        with pytest.raises(ContractError, match=named):
            augmented(unfit, np.random.default_rng(0))


def test_one_exchange_per_episode() -> None:
    """Two words of one instruction were exchanged independently and named the same object."""
    made = augmented(tiny_frames(episodes=40, length=4), np.random.default_rng(1))
    for text in made.instructions:
        words = [w for w in text.split() if w in COLOURS]
        assert len(set(words)) == len(words)


def test_what_is_felt_and_measured_is_mirrored_with_the_picture() -> None:
    """The picture was mirrored, and the object's mask, its pose and its touch stayed where they were."""
    frames = tiny_frames(episodes=40, length=4)
    made = augmented(frames, np.random.default_rng(0))
    y = frames.robot.action.names.index("y")
    assert set(made.channels) == set(frames.channels)
    for a, b in frames.bounds:
        flipped = made.actions[a, y] != frames.actions[a, y]
        (own, new) = ({name: values[a:b] for name, values in f.channels.items()} for f in (frames, made))
        for name in ("depth", "object"):
            tiles = [own[name][:, :, s] for s in (slice(0, 32), slice(32, 64))]
            assert np.array_equal(new[name], np.concatenate([t[:, :, ::-1] if flipped else t for t in tiles], axis=2))
        signs = [1, -1, 1, -1, 1, -1] if flipped else [1] * 6
        assert np.array_equal(new["object_pose"], own["object_pose"] * signs)
        assert np.array_equal(new["touch"], own["touch"][:, ::-1] if flipped else own["touch"])
        assert np.array_equal(new["sound"], own["sound"]) and np.array_equal(new["contact"], own["contact"])
    with pytest.raises(ContractError, match="mirrored channel"):
        augmented(replace(frames, channels={"smell": np.zeros(160)}), np.random.default_rng(0))
