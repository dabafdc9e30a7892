"""The policy: chunks in contract units, futures on request, and refusals that name the field."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_checkpoint, tiny_senses

from wam_core.contract import Observation
from wam_core.errors import ContractError
from wam_core.policy import Policy, load_policy
from wam_core.preprocess.images import lay_out
from wam_core.presets import from_dict, load_preset, preset_names
from wam_core.recollection import Recollection
from wam_core.robot.robot_file import load_robot
from wam_core.substrates.substrate import Scenes
from wam_core.training.checkpoint import save_checkpoint

ROBOT = load_robot("panda_cell")
NOTHING = tiny_senses(ROBOT, [sense.name for sense in ROBOT.senses])


def observation(**changes: object) -> Observation:
    rng = np.random.default_rng(0)
    images = {c: rng.integers(0, 255, (128, 128, 3), dtype=np.uint8) for c in ("front", "wrist")}
    plain = Observation(1_000_000_000, images, np.zeros(7), "reach the red ball", senses=NOTHING)
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_chunk_answers_its_observation() -> None:
    """Chunks were stamped when they were finished, and the executor ran them late by the inference time."""
    policy = Policy(tiny_checkpoint(), seed=0)
    first, second = (policy.act(observation()) for _ in range(2))
    assert first.values.shape == (16, 7) and np.isfinite(first.values).all()
    assert first.stamp_ns == 1_000_000_000 and first.start_ns == 1_100_000_000 and first.step_ns == 100_000_000
    assert (first.sequence, second.sequence) == (0, 1) and first.names[0] == "x" and first.space == "ee_pose"


def test_imagination_is_on_request_and_does_not_change_the_action() -> None:
    """Somebody opened RViz, and the arm behaved differently."""
    quiet, aloud = (Policy(tiny_checkpoint(), seed=0) for _ in range(2))
    assert aloud.imagine() == ()
    for _ in range(2):
        chunk = aloud.act(observation())
        assert np.array_equal(quiet.act(observation()).values, chunk.values)
        (future,) = aloud.imagine()
    assert future.values.shape == (4, 32, 64, 3) and future.values.dtype == np.uint8
    assert future.step_ns == 400_000_000 and set(future.regions) == {"front", "wrist"}
    assert future.sequence == chunk.sequence == 1 and future.stamp_ns == chunk.stamp_ns


def test_the_future_shown_is_the_one_the_action_was_made_from() -> None:
    """RViz showed a second draw of the future, not the one that the arm followed."""
    policy = Policy(tiny_checkpoint("fast_wam_idm"), seed=0)
    policy.act(observation())
    shown = policy.imagine()[0].values
    assert np.array_equal(shown, policy.imagine()[0].values)
    policy.checkpoint.model.trunk.expert("video").blocks[0].ffn[0].weight.data.zero_()  # type: ignore[index, union-attr]
    assert np.array_equal(shown, policy.imagine()[0].values)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_acts_and_imagines(name: str) -> None:
    """A wiring that trained could not be run: its observed groups or its futures were called otherwise."""
    policy = Policy(tiny_checkpoint(name), seed=0)
    chunk = policy.act(observation(senses=tiny_senses(policy.checkpoint.robot, policy.senses)))
    assert np.isfinite(chunk.values).all() and chunk.model == name
    imagined = [future.substrate for future in policy.imagine()]
    groups = policy.checkpoint.preset.futures()
    shown = [policy.checkpoint.preset.substrates[group.substrate].shows for group in groups]
    in_space = ["cloud"] if {"video", "depth"} <= set(shown) or set(shown) & {"rgbd", "rgbdn"} else []
    assert imagined == shown + ["nearest"] * shown.count("features") + in_space


@pytest.mark.parametrize("name", ["flare", "dust"])
def test_features_come_with_the_picture_seen_that_is_most_like_them(name: str) -> None:
    """Predicted features were published, and nobody could tell what they meant."""
    policy = Policy(tiny_checkpoint(name), seed=0)
    assert policy.imagine() == ()
    rng, seen = np.random.default_rng(0), []
    for k in range(4):
        images = {c: rng.integers(0, 255, (128, 128, 3), np.uint8) for c in ("front", "wrist")}
        policy.act(replace(observation(images=images), stamp_ns=10**9 * (k + 1)))
        seen.append(lay_out(policy.checkpoint.robot, images, policy.checkpoint.preset.layout))
    (nearest,) = [future.values[0] for future in policy.imagine() if future.substrate == "nearest"]
    (name,) = {group.substrate for group in policy.checkpoint.preset.futures()}
    substrate = policy.checkpoint.substrates[name]
    codes = substrate.encode(Scenes(np.stack(seen)), np.arange(4)[:, None])
    assert any(np.array_equal(nearest, picture) for picture in seen)
    recollection = Recollection(substrate)
    for picture in seen:
        recollection.keep(picture)
    for picture, code in zip(seen, codes, strict=True):
        assert np.array_equal(recollection.nearest(code[None]), picture)


def test_the_action_looks_at_image_instruction_and_proprioception() -> None:
    """An input was wired to nothing, and nobody noticed because the expert's mean was good enough."""
    plain = Policy(tiny_checkpoint(), seed=0).act(observation()).values
    dark = {c: np.zeros((128, 128, 3), np.uint8) for c in ("front", "wrist")}
    others = [
        observation(images=dark),
        observation(instruction="push the blue block to the green zone"),
        observation(proprioception=np.full(7, 0.1)),
    ]
    for other in others:
        assert np.abs(Policy(tiny_checkpoint(), seed=0).act(other).values - plain).max() > 1e-6


def test_bad_observations_are_named() -> None:
    """A missing camera was filled with zeros and the arm drove on."""
    policy = Policy(tiny_checkpoint(), seed=0)
    images = dict(observation().images)
    with pytest.raises(ContractError, match=r"images\.wrist"):
        policy.act(observation(images={"front": images["front"]}))
    with pytest.raises(ContractError, match=r"images\.front.*64"):
        policy.act(observation(images={**images, "front": images["front"][:64]}))
    with pytest.raises(ContractError, match=r"observation\.proprioception\[2\]"):
        policy.act(observation(proprioception=np.array([0, 0, np.nan, 0, 0, 0, 0])))
    with pytest.raises(ContractError, match="purple"):
        policy.act(observation(instruction="reach the purple ball"))


def test_unknown_models_list_the_known_ones(tmp_path: Path) -> None:
    """A typing error in a launch file gave a stack trace."""
    robot = load_robot("panda_cell")
    with pytest.raises(ContractError, match="fast_wam_joint"):
        load_policy("fast_wamm", robot)
    save_checkpoint(tmp_path, tiny_checkpoint())
    assert load_policy(str(tmp_path), robot).name == "fast_wam"


@pytest.mark.parametrize("name", preset_names())
def test_presets_come_back_from_plain_data(name: str) -> None:
    """A checkpoint stored another preset than it was trained with."""
    preset = load_preset(name)
    assert from_dict(preset.to_dict(), name) == preset and preset.name == name


def test_wrong_presets_name_the_field() -> None:
    """An unknown key was ignored, and the user trained the default for a day."""
    raw = load_preset("fast_wam").to_dict()
    with pytest.raises(ContractError, match="horizn.*did you mean 'horizon'"):
        from_dict({**raw, "horizn": 3}, "mine")
    with pytest.raises(ContractError, match=r"mine\.horizon.*missing"):
        from_dict({k: v for k, v in raw.items() if k != "horizon"}, "mine")
    with pytest.raises(ContractError, match="frame_stride"):
        from_dict({**raw, "frame_stride": 8}, "mine")
    with pytest.raises(ContractError, match="replan_steps"):
        from_dict({**raw, "replan_steps": 17}, "mine")
    with pytest.raises(ContractError, match=r"mine\.layout"):
        from_dict({**raw, "layout": {**raw["layout"], "height": 60}}, "mine")
    with pytest.raises(ContractError, match="frist_frame.*did you mean"):
        groups = {**raw["groups"], "action": {**raw["groups"]["action"], "sees": ["frist_frame"]}}
        from_dict({**raw, "groups": groups}, "mine")
