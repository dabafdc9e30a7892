"""What futures are made of: each substrate on pictures whose future is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import TINY, tiny_frames, tiny_teacher

from wam_core.errors import ContractError
from wam_core.model.generators.bins import BINS, to_bins
from wam_core.preprocess.images import ImageLayout
from wam_core.robot.robot_file import load_robot
from wam_core.substrates.affordance_map import AffordanceMapSpec
from wam_core.substrates.every_step import every_step
from wam_core.substrates.substrate import CHANNELS, Clip, Scenes, Substrate
from wam_core.substrates.table import SUBSTRATES
from wam_core.substrates.video_vae import to_video
from wam_core.substrates.vq_tokens import VqTokens, VqTokensSpec, quantised
from wam_core.training.codebook import fit_codebook

LAYOUT = ImageLayout(("front", "wrist"), 32, 32)
CLIP = Clip(LAYOUT, instants=4, stride=4, robot=load_robot("panda_cell"))
ROWS = np.arange(5)[None]


def moving(step: int) -> Scenes:
    """A blurred square in the front camera's picture that goes right by ``step`` pixels an instant."""
    y, x = np.mgrid[:32, :64]
    images = np.full((5, 32, 64, 3), 90, np.uint8)
    for k in range(5):
        bright = np.exp(-(((x - 10 - step * k) / 4.0) ** 2) - ((y - 16) / 4.0) ** 2)
        images[k] += np.where(x < 32, 150 * bright, 0)[..., None].astype(np.uint8)
    square = images[..., 0] > 150
    pose = np.array([0.4, 0.0, 0.02, 0.0, 0.0, 0.0]) + 0.02 * step * np.arange(5)[:, None] * np.eye(6)[1]
    channels = {
        "progress": np.linspace(0.0, 1.0, 5),
        "beginning": np.zeros(5, np.int64),
        "proprioception": np.tile([0.45, 0.0, 0.3, 0.0, 0.0, 0.0, 0.5], (5, 1)),
        "depth": np.where(square, 0.9, 1.0).astype(np.float32),
        "object": square,
        "object_pose": pose,
        "sound": (step * 0.1 * np.sin(np.arange(800) * np.arange(5)[:, None] / 4.0)).astype(np.float32),
        "touch": step * 0.1 * np.where(np.mgrid[:16, :16][0] > 8, np.arange(5)[:, None, None, None], 0.0).repeat(2, 1),
    }
    return Scenes(images, channels)


def built(kind: str) -> Substrate:
    torch.manual_seed(0)
    return TINY[kind].build(CLIP).eval()


def there_and_back(kind: str, scenes: Scenes) -> np.ndarray:
    substrate, shape = built(kind), TINY[kind].shape(CLIP)
    features = substrate.encode(scenes, ROWS)
    present = shape.tokens("present")
    assert features.shape == (1, present + shape.tokens("future"), shape.features)
    return substrate.decode(features[:, :present], features[:, present:])[0]


@pytest.mark.parametrize("kind", TINY)
def test_the_observed_instant_alone_gives_the_present(kind: str) -> None:
    """The first frame of a live robot was encoded otherwise than that of a recording."""
    scenes, substrate = tiny_frames().scenes, built(kind)
    present = TINY[kind].shape(CLIP).tokens("present")
    if present:
        alone, clip = substrate.encode(scenes, ROWS[:, :1]), substrate.encode(scenes, ROWS)
        assert torch.allclose(alone, clip[:, :present], atol=1e-5)


def test_pixels_come_back_as_they_were() -> None:
    """Colours or cameras were exchanged between encoding and decoding."""
    scenes = moving(2)
    values = there_and_back("pixels", scenes)
    assert values.shape == (4, 32, 64, 3) and values.dtype == np.uint8
    assert np.abs(values.astype(int) - scenes.images[1:]).mean() < 4.0


def test_flow_points_where_things_go_camera_by_camera() -> None:
    """Flow was that between neighbouring frames, upside down, or went on from one camera into the next."""
    flow = there_and_back("optical_flow", moving(1))
    assert flow.shape == (4, 32, 64, 2)
    right = flow[:, 14:18, 8:12, 0].mean(axis=(1, 2))
    assert np.all(np.diff(right) > 0.2) and abs(right[1] - 2.0) < 1.0
    assert np.abs(flow[..., 1]).max() < 1.0 and np.abs(flow[:, :, 32:]).max() < 0.05


def test_the_region_is_where_it_happens() -> None:
    """The map showed where things are, not where they will be moved."""
    still, moved = (there_and_back("affordance_map", moving(step)) for step in (0, 4))
    assert moved.shape == (1, 32, 64) and still.max() < 0.05
    assert moved[0, 14:18, 24:28].mean() > 0.5 and moved[0, :4].max() < 0.2 and moved[0, :, 32:].max() < 0.05


def test_maps_of_the_object_say_where_it_is_where_it_is_touched_and_where_it_ends() -> None:
    """A contact was shown where the object had been before, or a placement that nothing was recorded of was made up."""
    masks = np.zeros((5, 32, 64), bool)
    for k in range(5):
        masks[k, 8:16, 8 * k : 8 * k + 8] = True
    touched = np.array([0.0, 0.0, 1.0, 1.0, 0.0])
    scenes = Scenes(moving(2).images, {"object": masks, "contact": touched})
    maps = {}
    for of in ("object", "contact", "placement"):
        spec = AffordanceMapSpec("affordance_map", of, cell=4, patch=4)
        substrate, shape = spec.build(CLIP), spec.shape(CLIP)
        features = substrate.encode(scenes, ROWS)
        assert features.shape == (1, shape.tokens("future"), 16) and set(spec.channels) <= set(scenes.channels)
        maps[of] = substrate.decode(features[:, :0], features)[0, 0] > 0.5
        with pytest.raises(ContractError, match=r"scenes\.(object|contact)"):
            substrate.encode(Scenes(scenes.images), ROWS)
    expected = {"object": masks[0], "contact": masks[2] | masks[3], "placement": masks[4]}
    assert all(np.array_equal(maps[of], mask) for of, mask in expected.items())
    never = Scenes(scenes.images, {**scenes.channels, "contact": np.zeros(5)})
    spec = AffordanceMapSpec("affordance_map", "contact", cell=4, patch=4)
    assert bool((spec.build(CLIP).encode(never, ROWS) == -1.0).all())
    with pytest.raises(ContractError, match=r"substrate\.of.*did you mean 'object'"):
        replace(spec, of="objekt").shape(CLIP)


def test_the_teacher_sees_the_last_instant_alone() -> None:
    """The teacher's features were those of the frame that the model is shown."""
    scenes, teacher = moving(2), built("encoded_frame")
    expected = teacher.vae.encode(to_video(torch.from_numpy(scenes.images[4:5])[:, None]))  # type: ignore[operator, union-attr]
    changed = Scenes(np.concatenate((scenes.images[:4] // 2, scenes.images[4:])))
    made = [teacher.encode(s, ROWS) for s in (scenes, changed)]
    assert torch.equal(*made) and abs(float(made[0].square().mean() - expected.square().mean())) < 1e-5


def test_picture_tokens_are_codes_whose_pictures_they_come_back_as() -> None:
    """Tokens were numbers near each other instead of codes, or a codebook of noise stood for the pictures."""
    frames, errors = tiny_frames(), []
    for depth in (1, 4):
        torch.manual_seed(0)
        tokens = VqTokensSpec("vq_tokens", latent_channels=4, width=8, patch=2, depth=depth).build(CLIP).eval()
        assert isinstance(tokens, VqTokens)
        left = fit_codebook(tokens, frames, seed=0)
        vectors = tokens.vectors(frames.images[:8])
        codes = quantised(vectors, tokens.codebook)
        means = torch.stack([tokens.codebook[k][codes[..., k]] for k in range(depth)]).sum(dim=0)
        errors.append(float((means - vectors).square().mean() / vectors.var()))
        assert len(torch.unique(codes)) > 5 and abs(errors[-1] - left) < 0.2
        features = tokens.encode(frames.scenes, ROWS).half().float()
        assert torch.equal(to_bins(features[:, 8:]), quantised(tokens.vectors(frames.images[4:5]), tokens.codebook))
        assert torch.isin(to_bins(features), torch.arange(BINS)).all() and features.shape == (1, 16, depth)
        assert tokens.decode(features[:, :8], features[:, 8:]).shape == (1, 1, 32, 64, 3)
    assert errors[1] < 0.5 * errors[0] < 0.5
    with pytest.raises(ContractError, match="at least 64 picture tokens"):
        fit_codebook(tokens, replace(frames, images=frames.images[:1]), seed=0)


def test_progress_runs_from_the_beginning_of_a_stretch_to_its_end() -> None:
    """Progress went on from one episode into the next."""
    frames = tiny_frames(episodes=3, length=5)
    assert np.allclose(frames.scenes.channel("progress"), np.tile(np.linspace(0.0, 1.0, 5), 3))
    values = there_and_back("signal", frames.scenes)
    assert np.allclose(values[:, 0], [0.25, 0.5, 0.75, 1.0])


def test_a_substrate_names_the_channels_that_it_encodes_from() -> None:
    """A preset was let loose on a robot that does not have what it looks at."""
    every = tiny_frames().scenes
    for spec in TINY.values():
        channels = {name: every.channel(name) for name in spec.channels}
        assert set(channels) <= set(CHANNELS)
        spec.build(CLIP).encode(Scenes(every.images, channels), ROWS)


def test_touch_comes_back_where_it_was_and_how_hard_it_was() -> None:
    """Fingers or rows were exchanged, or a light touch was lost beside a hard one."""
    y, x = np.mgrid[:16, :16]
    place = np.exp(-(((y - 11) / 2.0) ** 2) - ((x - 4) / 2.0) ** 2)
    touch = np.zeros((5, 2, 16, 16), np.float32)
    touch[2, 0], touch[3, 1] = 0.02 * place, 0.4 * place
    spec = replace(TINY["touch_latent"], kept=5)  # type: ignore[arg-type]
    substrate, clip = spec.build(CLIP), np.arange(5)[None]
    features = substrate.encode(Scenes(np.zeros((5, 1, 1, 3), np.uint8), {"touch": touch}), clip)
    values = substrate.decode(features[:, :1], features[:, 1:])[0][::4]
    assert values.shape == (4, 16, 32) and not values[0].any() and not values[3].any()
    for k, finger in ((1, 0), (2, 1)):
        own, other = values[k, :, 16 * finger :][:, :16], values[k, :, 16 * (1 - finger) :][:, :16]
        row, column = np.unravel_index(np.argmax(own), own.shape)
        assert abs(row - 11) <= 1 and abs(column - 4) <= 1 and other.max() < 0.2 * own.max()
        assert own.sum() == pytest.approx(touch[k + 1, finger].sum(), rel=0.35)


def test_a_tone_is_heard_in_its_band_and_in_its_step() -> None:
    """Low and high were exchanged, and what is heard between two predicted pictures was left out."""
    time = np.arange(800) / 8000.0
    sound = np.zeros((17, 800), np.float32)
    sound[6], sound[11] = 0.1 * np.sin(2 * np.pi * 300 * time), 0.1 * np.sin(2 * np.pi * 3000 * time)
    spec = replace(TINY["sound_latent"], mels=32, kept_mels=16)  # type: ignore[arg-type]
    substrate = spec.build(CLIP)
    scenes = Scenes(np.zeros((17, 1, 1, 3), np.uint8), {"sound": sound})
    features = substrate.encode(scenes, np.arange(0, 17, 4)[None])
    levels = substrate.decode(features[:, :1], features[:, 1:])[0]
    assert levels.shape == (16, 32, 5)
    assert [k for k in range(16) if levels[k].max() > 0.2] == [5, 10]
    low, high = (int(np.argmax(levels[k].mean(axis=1))) for k in (5, 10))
    assert abs(low - 4) <= 2 and abs(high - 27) <= 2
    assert np.allclose(substrate.levels(sound)[6].max(), 1.0 - 20.0 / 80.0, atol=0.05)  # type: ignore[operator]


@given(st.integers(0, 3), st.integers(1, 3), st.integers(1, 4))
def test_every_step_lies_between_the_instants_and_stays_at_the_end(start: int, instants: int, stride: int) -> None:
    """A clip at the end of a recording went on into the next."""
    last = 7
    clip = np.minimum(start + stride * np.arange(instants + 1), last)[None]
    steps = every_step(clip, stride)
    assert np.array_equal(steps[0], np.minimum(start + np.arange(instants * stride + 1), last))
    assert np.array_equal(every_step(clip[:, :1], stride), clip[:, :1])


def test_taxels_and_samples_that_do_not_fit_are_named() -> None:
    """Skin of another size was folded into the wrong rows."""
    scenes = Scenes(np.zeros((5, 1, 1, 3), np.uint8), {"touch": np.zeros((5, 2, 8, 8)), "sound": np.zeros((5, 400))})
    for kind in ("touch_latent", "sound_latent"):
        with pytest.raises(ContractError, match=rf"scenes\.{kind.removesuffix('_latent')}"):
            built(kind).encode(scenes, ROWS)
    with pytest.raises(ContractError, match="kept: got 17"):
        replace(TINY["touch_latent"], kept=17).shape(CLIP)  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="a divisor of the samples"):
        replace(TINY["sound_latent"], frames=7).shape(CLIP)  # type: ignore[arg-type]


def test_what_was_not_recorded_is_missing_and_named() -> None:
    """Recordings without a wrench were trained on as if nothing had ever been touched."""
    bare = replace(tiny_frames(), channels={})
    with pytest.raises(ContractError, match=r"scenes\.contact"):
        bare.scenes.channel("contact")


#: Those whose tokens have no place in the picture.
PLACELESS = ("signal", "touch_latent", "sound_latent", "tool_points", "robot_flow")


@pytest.mark.parametrize("kind", [k for k in TINY if k not in PLACELESS])
def test_a_tile_that_does_not_fit_is_named(kind: str) -> None:
    """A layout of another size failed inside a reshape."""
    with pytest.raises(ContractError, match=r"layout\.front"):
        TINY[kind].shape(Clip(ImageLayout(("front",), 36, 30), 4, 4))


def test_a_published_encoder_sees_camera_by_camera_now_and_at_the_end() -> None:
    """One camera's picture was squeezed beside the other's into the encoder's square."""
    spec, scenes = tiny_teacher(), moving(2)
    substrate, shape = spec.build(CLIP), spec.shape(CLIP)
    features = substrate.encode(scenes, ROWS)
    assert features.shape == (1, shape.tokens("present") + shape.tokens("future"), 16) and shape.grid == (2, 4)
    other = Scenes(scenes.images.copy())
    other.images[:, :, 32:] = 200
    changed = (substrate.encode(other, ROWS) - features).abs().amax(dim=2).unflatten(1, (2, 2, 4))[0] > 1e-4
    assert not bool(changed[:, :, :2].any()) and bool(changed[:, :, 2:].all())
    assert substrate.decode(features[:, :8], features[:, 8:]).shape == (1, 1, 2, 4, 16)
    with pytest.raises(ContractError, match=r"teacher: .*rows, width"):
        replace(spec, width=24).build(CLIP)
    with pytest.raises(ContractError, match="pool"):
        replace(spec, pool=3).shape(CLIP)


def reaching(steps: int = 5) -> Scenes:
    """The tool goes to the left and down before the front camera."""
    states = np.tile([0.5, -0.1, 0.25, 0.0, 0.0, 0.0, 0.5], (steps, 1))
    states[:, 1:3] += np.arange(steps)[:, None] * np.array([0.05, -0.04])
    return Scenes(moving(0).images, {"proprioception": states})


def test_the_heat_is_where_each_camera_sees_the_tool() -> None:
    """The peak was mirrored, half a cell off, or that of the observed instant; a tool out of sight was at the rim."""
    scenes = reaching()
    values, states = there_and_back("tool_heatmap", scenes), scenes.channel("proprioception")
    pixels = CLIP.geometry().project("front", states[1:, None, :3], states[1:])[0][:, 0]
    for heat, (x, y) in zip(values, pixels, strict=True):
        rows, columns = np.mgrid[:32, :32]
        total = heat[:, :32].sum()
        found = ((columns * heat[:, :32]).sum() / total, (rows * heat[:, :32]).sum() / total)
        assert 0.8 < heat[:, :32].max() <= 1.0 and np.abs(np.subtract(found, (x, y))).max() < 0.5
    away = Scenes(scenes.images, {"proprioception": states + np.array([0.0, 2.0, 0, 0, 0, 0, 0])})
    assert there_and_back("tool_heatmap", away)[:, :, :32].max() == 0.0


def test_points_of_the_tool_are_where_each_camera_sees_them() -> None:
    """x and y were exchanged, or the second camera's points drawn in the first one's picture."""
    scenes = reaching()
    values, states = there_and_back("tool_points", scenes), scenes.channel("proprioception")
    assert values.shape == (4, 2, 4, 2)
    for camera, name in enumerate(LAYOUT.cameras):
        pixels = CLIP.geometry().project(name, states[1:, None, :3], states[1:])[0][:, 0]
        np.testing.assert_allclose(values[:, camera, 1] * (64, 32) - 0.5, pixels, atol=1e-3)
    assert np.ptp(values[:, 1], axis=0).max() < 1e-6, "a camera on the tool sees it where it always is"


def test_every_kind_is_tried_here() -> None:
    """A kind that nothing tries can hold anything."""
    assert set(TINY) | {"wan_video", "teacher_features"} == set(SUBSTRATES)
