"""Senses beyond pictures: declared in robot files, sent as messages, and made channels of the scenes in one way."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from synthetic_recording import START_NS, small_robot, write_episode
from tiny import tiny_checkpoint

from wam_core.contract import Observation
from wam_core.data import messages
from wam_core.data.reader import read_episode
from wam_core.data.senses import decode_sense, encode_sense, heard
from wam_core.data.training_set import load_frames
from wam_core.errors import ContractError
from wam_core.evaluation.controls import BlindPolicy
from wam_core.paths import share_path
from wam_core.policy import Policy, load_policy
from wam_core.preprocess.images import ImageLayout
from wam_core.preprocess.senses import channels_of, needed_senses
from wam_core.robot.binding import check_binding
from wam_core.robot.contract import RobotContract
from wam_core.robot.robot_file import from_dict, load_robot
from wam_core.robot.senses import SENSED, SENSES, form
from wam_core.substrates.substrate import CHANNELS
from wam_core.training.checkpoint import FIRST_CHANNELS, save_checkpoint

ROBOT = small_robot()
LAYOUT = ImageLayout(("front", "wrist"), 6, 8)
#: What is tried of each stream.
RAW = yaml.safe_load(share_path("config/robots/panda_cell.yaml").read_text())


def sensed(robot: RobotContract, seed: int = 0) -> dict[str, np.ndarray]:
    """One instant of every sense."""
    rng = np.random.default_rng(seed)
    made = {}
    for sense in robot.senses:
        shape, kind = form(robot, sense)
        made[sense.name] = (rng.random(shape) > 0.5) if kind == np.bool_ else rng.uniform(0.1, 1.0, shape).astype(kind)
    return made


def decoded(robot: RobotContract, name: str, values: np.ndarray) -> np.ndarray:
    sense, store = robot.sense(name), messages.typestore()
    sent = encode_sense(robot, sense, values, START_NS)
    assert sent.type_name == SENSES[sense.kind].message and messages.header_stamp_ns(sent.data) == START_NS
    return decode_sense(robot, sense, store.deserialize_cdr(sent.data, sent.type_name), name)


@pytest.mark.parametrize("name", [sense.name for sense in ROBOT.senses])
def test_what_was_sensed_survives_the_wire(name: str) -> None:
    """A mask came back as grey levels, a rotation as its inverse, a depth in millimetres."""
    values = sensed(ROBOT)[name]
    back = decoded(ROBOT, name, values)
    assert (back.shape, back.dtype) == form(ROBOT, ROBOT.sense(name))
    exact = ROBOT.sense(name).kind != "object_pose"
    assert np.array_equal(back, values) if exact else np.allclose(back, values, atol=1e-12)


def test_where_no_distance_was_measured_nothing_is_near() -> None:
    """The zeros and NaN of a depth camera's shadows were a wall in front of the lens."""
    values = sensed(ROBOT)["front_depth"]
    values[0, :4] = (0.0, np.nan, -np.inf, np.inf)
    assert np.all(np.isposinf(decoded(ROBOT, "front_depth", values)[0, :4]))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "dept"}, r"senses\[0\]\.kind.*did you mean 'depth'"),
        ({"camera": "back"}, r"senses\[0\]\.camera"),
        ({"camera": ""}, r"senses\[0\]\.camera.*a value for depth"),
        ({"rate_hz": 8000.0}, r"senses\[0\]\.rate_hz.*none for depth"),
        ({"topic": "/cell/sound"}, "another name, topic and part than front_depth"),
        ({"camera": "side"}, "another name, topic and part than front_depth"),
    ],
)
def test_a_sense_that_is_declared_wrongly_is_named(change: dict[str, Any], field: str) -> None:
    """A slip in a robot file was found when a model had been trained for a day on the wrong camera's depth."""
    raw = {**RAW, "senses": [{**RAW["senses"][0], **change}, *RAW["senses"][1:]]}
    with pytest.raises(ContractError, match=field):
        from_dict(raw)


def test_every_sense_becomes_a_channel_and_a_robot_without_one_says_so() -> None:
    """A model was let loose on a robot that cannot hear, and was given silence."""
    assert set(CHANNELS) >= SENSED and {SENSES[s.kind].channel for s in ROBOT.senses} == SENSED
    assert from_dict(ROBOT.to_dict()).senses == ROBOT.senses
    deaf = replace(ROBOT, senses=tuple(s for s in ROBOT.senses if s.kind != "sound"))
    with pytest.raises(ContractError, match=r"robot\.senses\.sound.*a sense of panda_cell that gives sound"):
        needed_senses(deaf, ["touch", "sound"], LAYOUT)
    with pytest.raises(ContractError, match=r"depth of side"):
        needed_senses(replace(ROBOT, senses=ROBOT.senses[:1]), ["depth"], ImageLayout(("front", "side"), 6, 8))
    with pytest.raises(ContractError, match="can be sensed"):
        needed_senses(ROBOT, ["progress"], LAYOUT)


def test_channels_are_laid_out_as_the_pictures_are() -> None:
    """Depth of the wrist lay under the picture of the front camera; a distance between near and far was made up."""
    values = sensed(ROBOT)
    values["front_depth"][:] = np.where(np.arange(16) % 2 < 1, np.float32(1.0), np.float32(3.0))
    values["wrist_depth"][:] = 5.0
    made = channels_of(ROBOT, sorted(SENSED), values, LAYOUT)
    assert {name: made[name].shape for name in made} == {
        "depth": (6, 16), "object": (6, 16), "object_pose": (6,), "sound": (800,), "touch": (2, 16, 16)
    }  # fmt: skip
    assert set(np.unique(made["depth"][:, :8])) <= {1.0, 3.0} and np.all(made["depth"][:, 8:] == 5.0)
    assert np.array_equal(made["touch"][0], values["left_fingertip"])
    values["wrist_depth"][:6] = 4.0
    upright, turned = (
        channels_of(ROBOT, ["depth"], values, replace(LAYOUT, upside_down=down))["depth"] for down in (False, True)
    )
    assert np.all(upright[:3, 8:] == 4.0) and np.all(turned[3:, 8:] == 4.0) and np.all(turned[:3, 8:] == 5.0)
    with pytest.raises(ContractError, match=r"senses\.sound.*what /cell/sound sent"):
        channels_of(ROBOT, ["sound"], {}, LAYOUT)
    with pytest.raises(ContractError, match=r"senses\.sound.*float32 \(800,\)"):
        channels_of(ROBOT, ["sound"], {"sound": np.zeros(800)}, LAYOUT)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(1, 120), st.data())
def test_sound_is_the_last_samples_whatever_the_blocks(lengths: list[int], wanted: int, data: st.DataObject) -> None:
    """Blocks of a driver were taken for those of the cell, and what was heard was stretched."""
    ends = np.cumsum(lengths)
    whole = np.arange(ends[-1], dtype=np.float32)
    blocks = [(int(end) * 125_000, whole[end - n : end]) for end, n in zip(ends, lengths, strict=True)]
    newest = data.draw(st.integers(0, len(blocks) - 1))
    found = heard(blocks, newest, 8000.0, wanted)
    if ends[newest] < wanted:
        assert found is None
    else:
        assert found is not None and np.array_equal(found, whole[ends[newest] - wanted : ends[newest]])


def test_a_lost_block_is_a_gap_and_no_splice() -> None:
    """Where a block was lost, the sound before was put to the sound after, as a click that nobody heard."""
    blocks = [(k * 20_000_000, np.full(160, k, np.float32)) for k in (1, 2, 3, 5, 6, 7, 8, 9)]
    assert heard(blocks, 3, 8000.0, 320) is None
    found = heard(blocks, 5, 8000.0, 320)
    assert found is not None and found.tolist() == [6.0] * 160 + [7.0] * 160


def test_recordings_give_the_channels_that_the_robot_would_give_live(tmp_path: Path) -> None:
    """A model was trained on depth that was averaged and ran on depth that was not."""
    steps = 6
    write_episode(tmp_path / "a.mcap", ROBOT, steps, senses=lambda step: sensed(ROBOT, step))
    frames = load_frames(tmp_path, LAYOUT, tmp_path / "cache", channels=sorted(SENSED))
    again = load_frames(tmp_path, LAYOUT, tmp_path / "cache", channels=sorted(SENSED))
    assert set(frames.channels) == set(again.channels) == SENSED | {"contact"} and len(frames.actions) == steps
    for step in range(steps):
        values = {n: decoded(ROBOT, n, v) for n, v in sensed(ROBOT, step).items()}
        for name, live in channels_of(ROBOT, sorted(SENSED), values, LAYOUT).items():
            assert np.array_equal(frames.channels[name][step], live), name
            assert np.array_equal(again.channels[name][step], live), name
    assert set(load_frames(tmp_path, LAYOUT, tmp_path / "cache").channels) == {"contact"}


def test_an_instant_without_a_sense_is_left_out(tmp_path: Path) -> None:
    """An episode whose microphone failed was trained on with the sound of its beginning."""

    def heard_at(step: int) -> dict[str, np.ndarray]:
        return {} if 5 <= step < 15 else {"sound": sensed(ROBOT, step)["sound"]}

    write_episode(tmp_path / "a.mcap", ROBOT, 30, senses=heard_at)
    episode = read_episode(tmp_path / "a.mcap", channels=["sound", "touch"])
    assert list(episode.senses) == ["sound"] and [gap.stream for gap in episode.gaps] == ["sound"]
    assert len(episode.senses["sound"]) == len(episode.stamps_ns) < 25
    for row, stamp_ns in enumerate(episode.stamps_ns):
        step = (int(stamp_ns) - START_NS) // ROBOT.step_ns
        newest = step if step < 5 or step >= 15 else 4
        assert np.array_equal(episode.senses["sound"][row], sensed(ROBOT, newest)["sound"])
    assert not read_episode(tmp_path / "a.mcap").senses


def test_a_model_is_bound_to_the_senses_that_it_needs_and_to_no_others() -> None:
    """A checkpoint of a robot file without senses was refused; one for 16 x 16 taxels was run with 8 x 8."""
    raw = ROBOT.to_dict()
    raw["senses"] = [{**s, "rows": 8} if s["kind"] == "touch_image" else s for s in raw["senses"]]
    other, older = from_dict(raw), from_dict({k: v for k, v in ROBOT.to_dict().items() if k != "senses"})
    check_binding(older, ROBOT)
    check_binding(other, ROBOT, ["sound"])
    with pytest.raises(ContractError, match=r"robot\.senses\.touch"):
        check_binding(other, ROBOT, ["touch"])
    with pytest.raises(ContractError, match=r"robot\.senses\.sound"):
        check_binding(older, ROBOT, ["sound"])


def test_a_checkpoint_asks_for_the_senses_of_its_preset_when_it_is_loaded(tmp_path: Path) -> None:
    """A model with ears was let loose on a robot without any."""
    robot = load_robot("panda_cell")
    save_checkpoint(tmp_path, tiny_checkpoint("audio_wm"))
    raw = robot.to_dict()
    numb, deaf = (
        from_dict({**raw, "senses": [s for s in raw["senses"] if s["kind"] != without]})
        for without in ("touch_image", "sound")
    )
    assert load_policy(str(tmp_path), numb).senses == ("sound",)
    with pytest.raises(ContractError, match=r"robot\.senses\.sound.*as the checkpoint was trained with"):
        load_policy(str(tmp_path), deaf)
    (tmp_path / FIRST_CHANNELS).unlink()
    with pytest.raises(ContractError, match=r"first_channels\.npz"):
        load_policy(str(tmp_path), numb)


@pytest.mark.parametrize(("name", "shut"), [("avdc", True), ("omni_vta", False)])
def test_a_blind_model_sees_no_depth_but_feels_and_hears(name: str, shut: bool) -> None:
    """The blind control looked through its depth camera, and proved that a model needs no eyes."""
    robot, checkpoint = load_robot("panda_cell"), tiny_checkpoint(name)
    blind = BlindPolicy(Policy(checkpoint, seed=0))
    needed = Policy(checkpoint, seed=0).senses
    assert blind.senses == ([] if shut else list(needed))
    made = []
    for seed in range(2):
        images = {c: np.full((128, 128, 3), 90 + 90 * seed, np.uint8) for c in ("front", "wrist")}
        felt = {s: v for s, v in sensed(robot, seed).items() if s in needed}
        policy = BlindPolicy(Policy(checkpoint, seed=0))
        made.append(policy.act(Observation(0, images, np.zeros(7), "reach the red ball", senses=felt)).values)
    assert np.array_equal(*made) == shut
