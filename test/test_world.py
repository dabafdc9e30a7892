"""The model as planners ask it: futures of futures, under other words, given actions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import INSTRUCTIONS, tiny_checkpoint

from wam_core.dial import Dial
from wam_core.errors import ContractError
from wam_core.model.known import Known
from wam_core.model.runtimes.eager import Eager
from wam_core.preset import ACTION
from wam_core.substrates.substrate import Scenes
from wam_core.training.batches import chunk_values
from wam_core.world import ModelWorld, model_world


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_world(name: str = "dreamavoid", many: int = 1) -> ModelWorld:
    c = tiny_checkpoint(name)
    images = np.random.default_rng(0).integers(0, 255, (many, *c.preset.layout.size, 3), dtype=np.uint8)
    scenes = Scenes(images, {"proprioception": np.zeros((many, len(c.robot.proprioception)))})
    return model_world(c, Eager(c.model), Dial(), scenes, INSTRUCTIONS[0])


def test_a_future_goes_on_from_the_end_of_a_future() -> None:
    """A tree several chunks deep rolled every one of them out from the picture of now, with the arm where it is now."""
    world = some_world()
    made = world.generate((ACTION, "future"), rng(), 3)
    later = world.after(made)
    c, group = world.checkpoint, next(g for g in world.checkpoint.preset.groups if g.name == "future")
    frames = np.asarray(world.shown(group, made["future"]), np.uint8)
    assert np.array_equal(later.scenes.images, frames[:, -1])
    reached = [chunk_values(c.robot, c.statistics["action"], a, np.zeros(7))[-1] for a in made[ACTION]]
    np.testing.assert_allclose(later.proprioception, reached)
    # Three situations side by side are what each would be alone.
    given = {ACTION: torch.randn(3, *c.model.shape_of(ACTION), generator=rng(5))}
    side_by_side = later.generate(("progress",), rng(1), given=given)["progress"]
    assert len(side_by_side) == 3
    alone = world.after({n: x[1:2] for n, x in made.items()})
    assert torch.equal(alone.observed["pixels", "present"], later.observed["pixels", "present"][1:2])
    assert torch.allclose(alone.situation.context, later.situation.context[1:2], atol=1e-6)


def test_what_a_future_does_not_tell_is_refused() -> None:
    """The arm's place after a video without an action was taken to be its place before."""
    world = some_world()
    made = world.generate((ACTION, "future"), rng())
    with pytest.raises(ContractError, match=r"action among them"):
        world.after({"future": made["future"]})
    with pytest.raises(ContractError, match=r"in pictures"):
        world.after({ACTION: made[ACTION]})
    remembering = some_world("dreamzero")
    with pytest.raises(ContractError, match=r"preset\.memory"):
        remembering.after(made)


def test_other_words_make_another_future_of_the_same_situation() -> None:
    """Every branch of the tree was told the task as a whole."""
    world = some_world()
    first = world.generate(("future",), rng())["future"]
    assert torch.equal(world.told(INSTRUCTIONS[0]).generate(("future",), rng())["future"], first)
    assert not torch.equal(world.told(INSTRUCTIONS[1]).generate(("future",), rng())["future"], first)
    assert not torch.equal(world.generate(("future",), rng(1))["future"], first), "noise is drawn from what is given"
    with pytest.raises(ContractError, match="purple"):
        world.told("reach the purple ball")


def test_an_action_that_is_asked_about_keeps_what_is_committed() -> None:
    """A planner that makes its own actions jumped at every seam."""
    world = some_world()
    shape = world.checkpoint.model.shape_of(ACTION)
    weights = torch.zeros(1, shape[0], 1)
    weights[:, :3], weights[:, 3:5] = 1.0, 0.5
    world = replace(world, known={ACTION: Known(torch.full((1, *shape), 0.25), weights)})
    asked = torch.full((4, *shape), -1.0)
    made = world.generate(("progress",), rng(), 4, {ACTION: asked})[ACTION]
    assert bool((made[:, :3] == 0.25).all()) and bool((made[:, 3:] == -1.0).all())
