"""What distinguishes systems that imagine in space: depth, points and clouds. Taken out of its preset, its test here
fails."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_anatomy import rewired, sampled
from test_mechanisms import passes
from test_points import CLIP, ROWS, filmed
from test_points import LAYOUT as WHOLE
from tiny import WORDS, tiny_checkpoint, tiny_model, tiny_preset

from wam_core.anatomy import classify
from wam_core.contract import ActionChunk, Future, Observation
from wam_core.dial import Dial
from wam_core.errors import ContractError
from wam_core.model import sampling
from wam_core.model.lifting import PointTokens
from wam_core.model.runtimes.eager import Eager
from wam_core.model.situation import Situation
from wam_core.model.wam import WorldActionModel
from wam_core.policy import Policy
from wam_core.preprocess.images import ImageLayout
from wam_core.preset import ACTION
from wam_core.presets import from_dict, load_preset, model_spec
from wam_core.reconstruction import reconstructed
from wam_core.robot.lens import Lens
from wam_core.robot.robot_file import load_robot
from wam_core.substrates.depth import RgbdnSpec
from wam_core.substrates.depth_lift import CENTRE, REACH
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

    def counted(self, features, now, text, cache, kept=()):  # type: ignore[no-untyped-def]
        went.extend([now["future"]] if "future" in now else [])
        return carry(self, features, now, text, cache, kept)

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
    policy.dial = Dial(10)
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


def rgbdn_features(seed: int, shape: tuple[int, int]) -> torch.Tensor:
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))


def changed(features: torch.Tensor, channels: slice, tokens: slice = slice(None)) -> torch.Tensor:
    """With other numbers in some layers (of 7) of the pixels of some tokens (of the 8 of a tiny frame)."""
    out = features.clone().unflatten(1, (-1, 8)).unflatten(-1, (7, -1))
    out[:, :, tokens, channels] += 0.7
    return out.flatten(-2).flatten(1, 2)


def test_tesseract_reads_the_action_off_points_in_space_and_never_off_the_pictures() -> None:
    """TesserAct: inverse dynamics sees the cloud that depth, normals and the cameras make, and no colour."""
    model = tiny_model("tesseract")
    future, seen = (rgbdn_features(k, model.shape_of(n)) for k, n in enumerate(("future", "first_frame")))
    context = torch.randn(1, 13, model.spec.trunk.text_dim, generator=torch.Generator().manual_seed(5))

    def chunk(made: torch.Tensor, now: torch.Tensor = seen, by: WorldActionModel = model) -> torch.Tensor:
        observed, rng = {("scene", "present"): now}, torch.Generator().manual_seed(7)
        return by.generate(observed, context, (ACTION,), 3, rng, given={"future": made})[ACTION]

    plain = chunk(future)
    colours, depth, normals = slice(0, 3), slice(3, 4), slice(4, 7)
    assert torch.equal(plain, chunk(changed(future, colours), changed(seen, colours))), "a picture reached the action"
    assert not torch.equal(plain, chunk(changed(future, depth))) and not torch.equal(
        plain, chunk(future, changed(seen, depth))
    )
    assert not torch.equal(plain, chunk(changed(future, normals)))
    by_camera = future.unflatten(1, (-1, 2, 2, 2)).clone()
    by_camera[:, :, :, 1] += 0.7
    assert torch.equal(plain, chunk(by_camera.flatten(1, 4))), "where the wrist's camera will be is not known"
    cameras = tuple(replace(c, lens=Lens(150.0, 150.0, 63.5, 63.5)) for c in ROBOT.cameras)
    elsewhere = WorldActionModel(model_spec(tiny_preset("tesseract"), replace(ROBOT, cameras=cameras), WORDS)).eval()
    elsewhere.load_state_dict(model.state_dict())
    assert not torch.allclose(plain, chunk(future, by=elsewhere), atol=1e-5), "points do not follow the lens"


def test_a_lifted_picture_is_the_cloud_that_the_cell_has() -> None:
    """TesserAct: the points that the action sees are where things are, whatever the order of the pixels."""
    film, spec = filmed(0), RgbdnSpec("rgbdn", shrink=1, patch=8)
    lift = spec.lift(CLIP)
    features = spec.build(CLIP).encode(film.scenes, ROWS[:, :1])
    points, there = lift(features)
    assert points.shape == (1, 16 * 16, 64, 6) and lift.kept == 16 * 16
    where = REACH * points[0, ..., :3].double().numpy() + np.array(CENTRE)
    truth = film.truth[0, :, :128].reshape(16, 8, 16, 8, 3).transpose(0, 2, 1, 3, 4).reshape(256, 64, 3)
    near = np.abs(truth - np.array(CENTRE)).max(axis=-1) < 1.0
    assert near.mean() > 0.5 and np.abs(where - truth)[near].max() < 0.002
    assert bool(there.all()), "every pixel of the front camera shows something"
    table = near & (np.abs(truth[..., 2]) < 1e-4) & (points[0, ..., 3:].norm(dim=-1) > 0.5).numpy()
    up = points[0, ..., 5].numpy()[table]
    assert table.sum() > 1000 and (up > 0.99).mean() > 0.98, "normals are not those of the base frame"
    torch.manual_seed(0)
    tokens = PointTokens(lift, spec.shape(CLIP), 24)
    before = tokens.embed(features, "present")
    shuffled = features.unflatten(-1, (7, 64))[..., torch.randperm(64)]
    rays = lift.rays
    lift.rays = rays[:, torch.randperm(64, generator=torch.Generator().manual_seed(1))]
    assert not torch.allclose(tokens.embed(shuffled.flatten(-2), "present"), before, atol=1e-4)
    order = torch.randperm(64)
    lift.rays = rays[:, order]
    pixels = features.unflatten(-1, (7, 64))[..., order].flatten(-2)
    torch.testing.assert_close(tokens.embed(pixels, "present"), before, atol=1e-5, rtol=1e-5)
    nothing = torch.full_like(features, -2.0)
    assert torch.equal(tokens.embed(nothing, "present")[0, 0], tokens.nothing)


def test_a_group_is_lifted_only_where_there_is_something_to_lift() -> None:
    """Pictures without depth were to be seen as points, and failed inside a matrix product."""
    raw = load_preset("tesseract").to_dict()
    for group, message in (("future", r"groups\.future\.lifted"), ("action", r"groups\.action\.lifted")):
        groups = {**raw["groups"], group: {**raw["groups"][group], "lifted": True}}
        with pytest.raises(ContractError, match=message):
            from_dict({**raw, "groups": groups}, "mine")
    flat = from_dict({**raw, "substrates": {"scene": {"kind": "pixels", "shrink": 2, "patch": 4}}}, "mine")
    with pytest.raises(ContractError, match=r"kind.*pixels.*depth"):
        model_spec(flat, ROBOT, WORDS)
    wrist = replace(load_preset("tesseract"), layout=ImageLayout(("wrist",), 64, 64))
    with pytest.raises(ContractError, match=r"layout\.cameras.*stands still"):
        model_spec(wrist, ROBOT, WORDS)
    pictures = rewired(load_preset("tesseract"), "cloud", lifted=False)
    place = classify(pictures)
    assert place is not None and place.substrate == "Pixel (decoded)"
