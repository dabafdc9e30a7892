"""What distinguishes systems that imagine in space: depth, points and clouds. Taken out of its preset, its test here
fails."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_anatomy import sampled
from test_mechanisms import passes
from test_points import LAYOUT as WHOLE
from test_points import filmed
from tiny import tiny_checkpoint, tiny_model

from wam_core.contract import ActionChunk, Future, Observation
from wam_core.model import sampling
from wam_core.model.runtimes.eager import Eager
from wam_core.model.situation import Situation
from wam_core.policy import Policy
from wam_core.presets import ACTION, load_preset
from wam_core.reconstruction import reconstructed
from wam_core.robot.contract import load_robot
from wam_core.viewing.pictures import as_pictures

ROBOT = load_robot("panda_cell")


def observation(value: int = 90) -> Observation:
    images = {c: np.full((128, 128, 3), value, np.uint8) for c in ("front", "wrist")}
    return Observation(0, images, np.array([0.45, 0.0, 0.3, 0.0, 0.0, 0.0, 0.5]), "reach the red ball")


def test_x_wam_finishes_the_action_while_the_video_is_on_its_way_and_lets_that_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """X-WAM: few steps for the action; the video that it was made with is finished when somebody looks, from where it
    was left, and is the one that both together would have given."""
    levels = passes("x_wam", monkeypatch)
    assert len(levels[ACTION]) == 4 and levels[ACTION][0] == 1.0 and "depth" not in levels
    assert len(levels["future"]) == 4 and min(levels["future"]) > 0.5, "the video was denoised no further than needed"
    monkeypatch.undo()
    model = tiny_model("x_wam")
    observed = {("video", "present"): torch.randn(1, *model.shape_of("first_frame"))}
    situation = Situation(Eager(model), observed, torch.randn(1, 13, model.spec.trunk.text_dim))

    def rng() -> torch.Generator:
        return torch.Generator().manual_seed(3)

    chunk, standing = sampling.begin(situation, (ACTION,), 10, rng())
    assert set(chunk) == {ACTION} and set(standing) == {"future"} and standing["future"].passes == 4
    went: list[float] = []
    carry = Eager.carry

    def counted(self, features, now, text, cache):  # type: ignore[no-untyped-def]
        went.extend([now["future"]] if "future" in now else [])
        return carry(self, features, now, text, cache)

    monkeypatch.setattr(Eager, "carry", counted)
    later = sampling.generate(situation, ("future",), 10, rng(), given=chunk, begun=standing)
    assert len(went) == 6
    both = sampling.generate(situation, (ACTION, "future"), 10, rng())
    assert torch.equal(both[ACTION], chunk[ACTION]) and torch.equal(both["future"], later["future"])
    naive = sampling.generate(situation, ("future",), 10, rng(), given=chunk, begun=standing, reuse=False)
    torch.testing.assert_close(naive["future"], later["future"], atol=1e-4, rtol=1e-4)


def test_a_policy_lets_the_video_go_on_that_its_chunk_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """The future that was shown was begun anew, and was not the one that the action had been made with."""
    policy = Policy(tiny_checkpoint("x_wam"), seed=0)
    policy.steps = 10
    policy.act(observation())
    thought = policy._thought
    assert thought is not None and thought.standing["future"].passes == 4
    generate, given = sampling.generate, []

    def watched(*args, **options):  # type: ignore[no-untyped-def]
        given.append(options["begun"])
        return generate(*args, **options)

    monkeypatch.setattr(sampling, "generate", watched)
    kinds = {f.substrate for f in policy.imagine()}
    assert kinds == {"video", "depth", "cloud"} and given == [thought.standing]


def test_x_wam_learns_at_noise_levels_that_have_nothing_to_do_with_each_other() -> None:
    """X-WAM: the action must be right while the video is still noise, so each is trained at levels of its own."""
    model, rng = tiny_model("x_wam"), torch.Generator().manual_seed(0)
    shapes = {g.content: model.shape_of(n) for n, g in model.wiring.groups.items()}
    clean = {content: torch.randn(64, *shape, generator=rng) for content, shape in shapes.items()}
    seen: dict[str, torch.Tensor] = {}
    run = model.run

    def watched(features, sigmas, text, cache):  # type: ignore[no-untyped-def]
        seen.update(sigmas)
        return run(features, sigmas, text, cache)

    model.run = watched  # type: ignore[method-assign]
    model.losses(clean, torch.randn(64, 13, model.spec.trunk.text_dim, generator=rng), rng)
    levels = torch.stack([seen[n] for n in (ACTION, "future", "depth")])
    assert float(torch.corrcoef(levels).fill_diagonal_(0.0).abs().max()) < 0.5
    assert bool((levels[0] < levels[1] - 0.3).any()) and bool((levels[0] > levels[1] + 0.3).any())


def test_x_wam_puts_what_all_cameras_imagine_into_one_space() -> None:
    """X-WAM: RGB-D of all views becomes one cloud; the wrist's camera is where the chunk takes it."""
    film = filmed(1)
    channels, images = film.scenes.channels, film.scenes.images
    stamp, step = 10**9, 10**8
    futures = (
        Future(stamp, "video", step, images[1:], WHOLE.regions, 5),
        Future(stamp, "depth", step, channels["depth"][1:], WHOLE.regions, 5),
    )
    chunk = ActionChunk(
        stamp, stamp + step, step, ROBOT.action.names, "ee_pose", channels["proprioception"][1:].astype(float), 5
    )
    cloud = reconstructed(ROBOT, WHOLE, chunk, futures)
    assert cloud is not None and cloud.substrate == "cloud" and cloud.values.shape == (4, 128, 256, 6)
    assert cloud.step_ns == step and cloud.sequence == 5
    block = channels["object"][1:] & np.isfinite(cloud.values[..., 2])
    for k in range(4):
        for half in (np.s_[:, :128], np.s_[:, 128:]):
            seen = cloud.values[k][half][block[k][half]]
            if len(seen) > 20:
                off = np.abs(seen[:, :2] - channels["object_pose"][1 + k, :2]).max(axis=0)
                assert off.max() < 0.034, "both cameras show the block where it is"
    still = reconstructed(ROBOT, WHOLE, replace(chunk, values=chunk.values[[0, 0, 0, 0]]), futures)
    assert still is not None
    moved = np.nan_to_num(np.abs(still.values - cloud.values))
    assert moved[3, :, 128:].max() > 0.02 and moved[:, :, :128].max() == 0.0
    assert reconstructed(ROBOT, WHOLE, chunk, futures[:1]) is None
    blind = replace(ROBOT, cameras=tuple(replace(c, lens=None) for c in ROBOT.cameras))
    assert reconstructed(blind, WHOLE, chunk, futures) is None
    above = as_pictures(cloud).values
    assert above.shape == (4, 128, 256, 3) and above.any(axis=-1).mean() > 0.1
    assert {g.substrate for g in load_preset("x_wam").futures()} == {"video", "depth"}


def test_x_wam_reads_the_action_off_pictures_alone() -> None:
    """X-WAM: depth is read off the video's own stream and never waits in the action's way."""
    shape = tiny_model("x_wam").shape_of("depth")
    given = [{"depth": torch.full((1, *shape), value)} for value in (-1.0, 1.0)]
    assert torch.equal(*(sampled("x_wam", (ACTION,), given=g)[ACTION] for g in given))
    pictures = [{"future": torch.full((1, *tiny_model("x_wam").shape_of("future")), v)} for v in (-1.0, 1.0)]
    assert not torch.equal(*(sampled("x_wam", ("depth",), given=g)["depth"] for g in pictures))
