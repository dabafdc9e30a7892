"""A chunk without an action group: wiring, training and the policy, and the smooth chunk through way points."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recovered import GEOMETRY, ROBOT
from tiny import tiny_frames, tiny_preset

from wam_core.anatomy import Anatomy, classify
from wam_core.contract import Observation
from wam_core.errors import ContractError
from wam_core.model.wam import WorldActionModel
from wam_core.policy import Policy
from wam_core.preset import Preset
from wam_core.presets import build_substrates, from_dict, load_preset, model_spec
from wam_core.recovery.recovery import Foreseen, WayPoints
from wam_core.recovery.trajectory import smooth_motion, smooth_poses
from wam_core.substrates.substrate import Scenes
from wam_core.training.batches import first_scene, make_batches, statistics_of, vocabulary_of
from wam_core.training.checkpoint import Checkpoint

RIGID = {"kind": "rigid_motion", "future": "future", "radius": 0.12, "behind": 0.2, "beyond": 0.03}
START = np.array([0.5, 0.0, 0.2, 0.0, 0.0, 0.1])


def raw_preset(whole: Preset, **changes: object) -> dict[str, object]:
    """A video plan without the inverse dynamics behind it."""
    raw = whole.to_dict()
    groups = {name: raw["groups"][name] for name in ("first_frame", "future")}
    experts = {"pixels": raw["experts"]["pixels"]}
    return {**raw, "system": "AVDC", "groups": groups, "experts": experts, "recovery": RIGID, **changes}


def tiny_action_free() -> Preset:
    return from_dict(raw_preset(tiny_preset("unipi")), "mine")


def test_a_preset_has_an_action_or_a_recovery_and_never_both_or_neither() -> None:
    """A chunk had two makers, of which the one that was meant was never asked, or none."""
    unipi = load_preset("unipi")
    assert from_dict(raw_preset(unipi), "mine").basis == "future"
    whole = unipi.to_dict()
    for raw, message in (
        ({**whole, "recovery": RIGID}, "none beside the action group"),
        (raw_preset(unipi, recovery=None), "a generated group action, or a recovery"),
        (raw_preset(unipi, recovery={**RIGID, "kind": "rigid_motoin"}), "did you mean 'rigid_motion'"),
        (raw_preset(unipi, recovery={**RIGID, "future": "futura"}), r"recovery\.future.*did you mean 'future'"),
        (raw_preset(unipi, recovery={**RIGID, "future": "first_frame"}), r"first_frame \(observed.*shows video"),
        (raw_preset(unipi, substrates={"pixels": {"kind": "optical_flow", "cell": 4, "patch": 4}}), "shows flow"),
        (raw_preset(unipi, recovery={**RIGID, "radius": "wide"}), r"recovery\.radius"),
    ):
        with pytest.raises(ContractError, match=message):
            from_dict(raw, "mine")


def test_a_recovery_stands_behind_the_prediction() -> None:
    """A preset without an action was no World Action Model at all, or its future generated jointly with nothing."""
    place = Anatomy("Pixel (decoded)", "Diffusion", "Post-prediction head", "Open-loop")
    assert classify(from_dict(raw_preset(load_preset("unipi")), "mine")) == place


def test_training_never_looks_at_an_action() -> None:
    """An action-free model was trained on the labels that its data is said not to have."""
    preset, frames = tiny_action_free(), tiny_frames()
    blind = replace(frames, actions=np.full_like(frames.actions, np.nan))
    losses = []
    for seen in (frames, blind):
        torch.manual_seed(0)
        model = WorldActionModel(model_spec(preset, seen.robot, vocabulary_of(seen)))
        statistics = statistics_of(preset, seen)
        data = make_batches(preset, seen, build_substrates(preset, seen.robot), model.text, statistics)
        assert set(statistics) == {"proprioception"} and all(name != "action" for name, _ in data.features)
        features, words, proprioception = data.pick(torch.arange(8))
        made = model.losses(features, model.context(words, proprioception), torch.Generator().manual_seed(0))
        assert set(made) == {"future"} and not any("action" in name for name in model.state_dict())
        losses.append(made["future"].item())
    assert losses[0] == losses[1]


def test_without_what_the_recovery_needs_there_is_no_chunk() -> None:
    """Depth that nobody measured was taken as zero, and the arm moved by what came of it."""
    preset, frames = tiny_action_free(), tiny_frames()
    model = WorldActionModel(model_spec(preset, frames.robot, vocabulary_of(frames))).eval()
    training = {"vocabulary": vocabulary_of(frames), "instructions": sorted(set(frames.instructions)), "seed": 0}
    statistics, substrates = statistics_of(preset, frames), build_substrates(preset, frames.robot)
    first = first_scene(preset, frames)
    policy = Policy(Checkpoint(preset, frames.robot, model, substrates, statistics, training, *first), 0)
    assert policy.senses == ("front_depth", "wrist_depth")
    images = {c: np.full((128, 128, 3), 90, np.uint8) for c in ("front", "wrist")}
    with pytest.raises(ContractError, match=r"senses\.front_depth"):
        policy.act(Observation(0, images, np.append(START, 1.0), "reach the red ball"))


def through(poses: np.ndarray, trust: list[float], start: np.ndarray = START) -> np.ndarray:
    return smooth_poses(ROBOT, start, WayPoints(poses, np.array(trust)), 16)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-2.0, 2.0), min_size=24, max_size=24), st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4))
def test_a_chunk_keeps_to_the_workspace_and_its_speed_whatever_the_way_points_are(
    values: list[float], trust: list[float]
) -> None:
    """One wrong point of a generated video sent the arm through the table."""
    poses = through(np.reshape(values, (4, 6)), trust)
    steps = np.linalg.norm(np.diff(np.vstack([START[:3], poses[:, :3]]), axis=0), axis=1)
    assert steps.max() <= ROBOT.workspace.speed * ROBOT.step_ns * 1e-9 + 1e-6
    assert np.all(poses[:, :3] >= ROBOT.workspace.lower - 1e-6)
    assert np.all(poses[:, :3] <= ROBOT.workspace.upper + 1e-6)


def test_a_chunk_goes_through_what_is_trusted_and_nowhere_where_nothing_is() -> None:
    """A way point that nobody had seen pulled as hard as one that everybody had."""
    way = START + np.arange(1, 5)[:, None] * np.array([0.04, -0.03, 0.0, 0.0, 0.0, 0.1])
    straight = through(way, [1.0] * 4)
    assert np.abs(straight[3::4] - way).max() < 2e-3
    astray = way.copy()
    astray[2] += 0.3
    assert np.allclose(through(astray, [1.0, 1.0, 0.0, 1.0]), through(way, [1.0, 1.0, 0.0, 1.0]))
    assert np.abs(through(astray, [0.0] * 4) - START).max() < 1e-9


def test_an_arm_outside_its_workspace_is_led_back() -> None:
    """No chunk at all was possible for an arm that stood a centimetre outside."""
    outside = START.copy()
    outside[0] = ROBOT.workspace.upper[0] + 0.1
    poses = through(np.tile(outside, (4, 1)), [1.0] * 4, outside)
    assert poses[0, 0] < outside[0] and poses[-1, 0] <= ROBOT.workspace.upper[0] + 1e-6


def test_fingers_that_nothing_was_seen_of_keep_their_grasp() -> None:
    """The fingers let go of what they held because they were told to be where they were measured."""
    state = np.append(START, 0.4)[None]
    foreseen = Foreseen(
        Scenes(np.zeros((1, 64, 192, 3), np.uint8), {"proprioception": state}), np.zeros(4), GEOMETRY, ROBOT
    )
    poses, sure = np.tile(START, (4, 1)), np.ones(4)
    held = smooth_motion(foreseen, WayPoints(poses, sure), 16)
    assert held.space == "tool_pose" and held.values.shape == (16, 6)
    opened = smooth_motion(foreseen, WayPoints(poses, sure, np.array([0.4, 0.6, 0.8, 1.0])), 16)
    assert opened.space == "ee_pose" and opened.names == ROBOT.action.names
    assert np.allclose(opened.values[3::4, 6], [0.4, 0.6, 0.8, 1.0])
