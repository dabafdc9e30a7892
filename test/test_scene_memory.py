"""What was seen stays where it was, also when no camera looks there any more; held against the cell's own pictures."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, Observation
from wam_core.evaluation.expert_policy import ExpertPolicy
from wam_core.evaluation.rollout import run_episode
from wam_core.executor.executor import Executor
from wam_core.preprocess.images import ImageLayout, lay_out
from wam_core.preprocess.senses import channels_of, needed_senses
from wam_core.robot.geometry import Geometry
from wam_core.robot.robot_file import load_robot
from wam_core.scene_memory import SceneMemory

ROBOT = load_robot("panda_cell")
WRIST, FRONT = (ImageLayout((camera,), 64, 64) for camera in ("wrist", "front"))
Seen = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def pushed() -> Mapping[str, list[Seen]]:
    """Camera -> picture, depth and pose at every third step of an expert that pushes a block into its zone."""
    cell, steps = Cell(ROBOT, "raycast"), {"wrist": list[Seen](), "front": list[Seen]()}
    count = 0

    def look(observation: Observation, chunk: ActionChunk) -> ActionChunk:
        nonlocal count
        for layout in (WRIST, FRONT) if count % 3 == 0 else ():
            (camera,) = layout.cameras
            senses = {s.name: cell.depth(camera) for s in needed_senses(ROBOT, ("depth",), layout)}
            depth = np.asarray(channels_of(ROBOT, ("depth",), senses, layout)["depth"], np.float32)
            image = lay_out(ROBOT, {camera: cell.image(camera)}, layout)
            steps[camera].append((image, depth, observation.proprioception))
        count += 1
        return chunk

    policy = ExpertPolicy(cell, np.random.default_rng(0))
    assert run_episode(cell, Executor(ROBOT), policy, "push", 1, perturb=look).success
    return steps


def memory(layout: ImageLayout, limit: int = 40_000) -> SceneMemory:
    return SceneMemory(Geometry(ROBOT, layout), limit, 0.005)


def wrong(made: SceneMemory, seen: Seen) -> float:
    """Share of the picture's pixels that the memory shows otherwise, of those that it shows."""
    pictures, known = made.render(seen[2][None])
    assert known.mean() > 0.8
    off = np.abs(pictures[0].astype(int) - seen[0]).max(axis=-1) > 60
    return float(off[known[0]].mean())


def test_what_left_the_picture_is_still_remembered(pushed: Mapping[str, list[Seen]]) -> None:
    """What the wrist camera had seen was gone as soon as it looked elsewhere."""
    first, last = pushed["wrist"][0], pushed["wrist"][-1]
    before = memory(WRIST).see(*first)
    after = before.see(*last)
    places, _ = before.geometry.project("wrist", before.points[None], last[2][None])
    left = ~((places > -0.5) & (places < 63.5)).all(axis=-1)[0]
    assert left.mean() > 0.3, "the arm went on, and much left the picture"
    kept = {tuple(p) for p in after.points}
    # At the rim of the picture some are seen anew.
    assert np.mean([tuple(p) in kept for p in before.points[left]]) > 0.95
    pictures, known = after.render(first[2][None])
    alone = memory(WRIST).see(*last).render(first[2][None])[1]
    hidden = known[0] & ~alone[0]
    off = np.abs(pictures[0].astype(int) - first[0]).max(axis=-1) > 60
    assert hidden.mean() > 0.2 and off[hidden].mean() < 0.1, "it looks as it did when it was seen"


@pytest.mark.parametrize("layout", [WRIST, FRONT])
def test_it_shows_what_the_camera_sees(pushed: Mapping[str, list[Seen]], layout: ImageLayout) -> None:
    """Points were projected otherwise than they had been lifted, or into another camera's tile."""
    for seen in pushed[layout.cameras[0]][:5]:
        assert wrong(memory(layout).see(*seen), seen) < 0.05


def test_what_moved_is_no_longer_where_it_was(pushed: Mapping[str, list[Seen]]) -> None:
    """The block was remembered at all places that it had been at, and the arm at all of its own."""
    made, blind = memory(FRONT), memory(FRONT)
    for image, depth, pose in pushed["front"]:
        made = made.see(image, depth, pose)
        fresh = blind.see(image, depth, pose)
        # Nothing is looked through: what was seen once stays for ever.
        blind = replace(fresh, points=np.concatenate((fresh.points, blind.points)),
                        colours=np.concatenate((fresh.colours, blind.colours)))  # fmt: skip
    last = pushed["front"][-1]
    assert wrong(made, last) < 0.05 < wrong(blind, last)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 3000))
def test_it_is_bounded_and_what_is_new_stays(seed: int, limit: int) -> None:
    """A day's work filled the memory of the machine; or the first minute of it was all that was kept."""
    rng, made = np.random.default_rng(seed), memory(WRIST, limit)
    for _ in range(3):
        image = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        depth = rng.uniform(0.2, 1.0, (64, 64)).astype(np.float32)
        depth[rng.random((64, 64)) < 0.1] = np.inf
        pose = np.append(rng.normal((0.5, 0.0, 0.4, 0.0, 0.0, 0.0), 0.1), 1.0)
        made = made.see(image, depth, pose)
        alone = memory(WRIST).see(image, depth, pose)
        cells = np.floor(made.points / made.cell)
        assert len(made.points) == len(made.colours) == len(np.unique(cells, axis=0)) <= limit
        assert np.isfinite(made.points).all()
        newest = min(limit, len(alone.points))
        assert np.array_equal(made.points[:newest], alone.points[:newest]), "newest first"
    nothing = made.see(image, np.full((64, 64), np.inf, np.float32), pose)
    assert len(nothing.points) <= len(made.points)


def test_where_nothing_was_seen_nothing_is_known() -> None:
    """Black stood for what nobody had looked at, and could not be told from a black thing."""
    pictures, known = memory(WRIST).render(np.zeros((2, 7)))
    assert pictures.shape == (2, 64, 64, 3) and not known.any()
