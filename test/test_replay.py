"""Replay parity: what was recorded gives back what the model was given and what it answered, or says where it parts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from live_graph import live_graph
from rclpy.serialization import serialize_message
from tiny import tiny_checkpoint
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.cli.main import run
from wam_core.continuation import CONTINUATIONS, Progress, overlap
from wam_core.contract import ActionChunk, Committed, Observation, RobotState
from wam_core.data import messages
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.predictions import action_chunk
from wam_core.data.recorder import MODEL_RECORD, Recorder
from wam_core.dial import Dial
from wam_core.errors import ContractError
from wam_core.evaluation.replay import replay
from wam_core.paths import share_path
from wam_core.policy import load_policy
from wam_core.preset import ACTION
from wam_core.presets import load_preset, preset_names
from wam_core.provenance import input_record, model_record
from wam_core.robot.kinematics import Kinematics, proprioception
from wam_core.robot.robot_file import load_robot
from wam_core.robot.senses import form
from wam_core.training.checkpoint import save_checkpoint
from wam_msgs.msg import ActionChunk as ActionChunkMessage
from wam_msgs.msg import ModelInput
from wam_msgs.srv import StartRecording, StopRecording
from wam_ros import conversion

ROBOT = load_robot("panda_cell")
STAMP, TOLD = 1_790_000_000_000_000_000, "reach the red ball"


def record(
    path: Path,
    checkpoint: Path,
    *,
    pixel: int = 0,
    joint: float = 0.0,
    told: str = TOLD,
    first: bool = True,
    ended: bool = False,
    dials: Sequence[Dial] = (Dial(), Dial(), Dial()),
) -> Path:
    """Three chunks, each going on from the one before; ``pixel``, ``joint`` and ``told`` are recorded otherwise than
    the model had them at the second, and the ``first`` chunk perhaps not at all; the task perhaps ``ended`` before its
    last input arrived; each chunk by one of ``dials``."""
    policy, kinematics = load_policy(str(checkpoint), ROBOT, seed=5), Kinematics(ROBOT)
    rng, progress = np.random.default_rng(0), Progress()
    with Recorder(path, ROBOT, {}) as recorder:
        writer = EpisodeWriter(recorder, ROBOT)
        recorder.note(MODEL_RECORD, model_record(policy, checkpoint, 1).to_metadata())
        for k in range(3):
            stamp_ns = STAMP + k * 800_000_000
            position = np.append(ROBOT.home + 0.01 * k, 0.04)
            images = {c: rng.integers(0, 255, (128, 128, 3), np.uint8) for c in policy.cameras}
            senses = {name: sensed(name, rng) for name in policy.senses}
            pose = proprioception(kinematics, RobotState(stamp_ns, position, np.zeros(8)))
            observation = Observation(stamp_ns, images, pose, TOLD, senses=senses)
            seam = "none" if policy.checkpoint.preset.recovery else "real_time_chunking"
            committed = progress.committed(seam, stamp_ns)
            policy.dial = dials[k]
            chunk = policy.act(observation, committed)
            progress.sent(chunk, stamp_ns + 200_000_000)
            used = input_record(policy, observation, chunk.sequence, committed)
            second = k == 1
            writer.instruction(told if second else TOLD, stamp_ns)
            for camera, image in images.items():
                image[0, 0, 0] += pixel if second and camera == policy.cameras[-1] else 0
                writer.image(camera, image, stamp_ns)
            for name, values in senses.items():
                writer.sense(name, values, stamp_ns)
            writer.state(RobotState(stamp_ns - 1_000_000, position + joint * second, np.zeros(8)))
            message = messages.encode_input(ROBOT, **vars(used))
            if ended and k == 2:
                writer.instruction("", stamp_ns + 300_000_000)
            recorder.write(messages.INPUT_TOPIC, message.type_name, message.data, stamp_ns + 300_000_001)
            if k or first:
                writer.chunk(messages.POLICY_TOPIC, chunk, stamp_ns)
            for future in policy.imagine():
                sent = serialize_message(conversion.future_message(ROBOT, future, policy.name))
                recorder.write(messages.FUTURE_TOPIC, "wam_msgs/msg/PredictedFuture", sent, stamp_ns)
    return path


def sensed(name: str, rng: np.random.Generator) -> np.ndarray:
    """Anything that the sense may say."""
    shape, kind = form(ROBOT, ROBOT.sense(name))
    return rng.random(shape) > 0.5 if kind == np.bool_ else rng.uniform(0.3, 0.9, shape).astype(kind)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


def test_what_was_recorded_is_made_again_bit_by_bit(checkpoint: Path, tmp_path: Path) -> None:
    """Prevents: a model that sees something else live than in its recordings, unnoticed."""
    found = replay(record(tmp_path / "same.mcap", checkpoint))
    assert found.equal and not found.model and [c.largest for c in found.chunks] == [0.0] * 3
    assert run("replay", [str(tmp_path / "same.mcap"), "--check"]) == 0


def test_a_task_may_end_while_its_last_input_is_on_its_way(checkpoint: Path, tmp_path: Path) -> None:
    """Prevents: a replay that differs, now and then, in the instruction of the last chunk only."""
    assert replay(record(tmp_path / "ended.mcap", checkpoint, ended=True)).equal


@pytest.mark.parametrize(
    ("name", "dials"),
    [
        ("fast_wam_joint", (Dial(5), Dial(2, cache_reuse=2), Dial(5, cache_reuse=3))),
        ("unipi", (Dial(2), Dial(imagined_horizon=8), Dial())),
    ],
)
def test_a_dial_that_was_turned_is_turned_again(name: str, dials: Sequence[Dial], tmp_path: Path) -> None:
    """Prevents: a chunk that was hurried, and one made again at leisure, told apart as if the model had changed."""
    save_checkpoint(tmp_path / "model", tiny_checkpoint(name))
    found = replay(record(tmp_path / "turned.mcap", tmp_path / "model", dials=dials))
    assert found.equal and found.futures == 3, [c.parted for c in found.chunks]


#: Presets that ship a checkpoint, and one of each way in which a chunk may come about.
SHIPPED = [name for name in preset_names() if (share_path("checkpoints") / name).is_dir()]


def ways() -> list[str]:
    found: dict[tuple[object, ...], str] = {}
    for name in preset_names():
        preset = load_preset(name)
        kinds = [part.kind if part else "" for part in (preset.planner, preset.trigger, preset.recovery)]
        made = {group.generator for group in preset.groups if group.substrate == ACTION and group.generator}
        found.setdefault((*kinds, bool(preset.memory), bool(preset.live_channels), *sorted(made)), name)
    return list(found.values())


#: Language models that write token by token take their time.
LONG = {"cot_vla"}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_checkpoint_answers_a_recording_bit_by_bit(name: str, tmp_path: Path) -> None:
    """Prevents: parity of a small model, and none of the one that people run."""
    found = replay(record(tmp_path / "shipped.mcap", share_path(f"checkpoints/{name}")))
    assert found.equal and not found.model, [c.parted for c in found.chunks]


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in ways()])
def test_every_way_to_a_chunk_is_gone_again(name: str, tmp_path: Path) -> None:
    """Prevents: a memory, a planner, a sense or a recovery that a recording does not bring back."""
    save_checkpoint(tmp_path / "model", tiny_checkpoint(name))
    found = replay(record(tmp_path / "way.mcap", tmp_path / "model"))
    assert found.equal, [c.parted for c in found.chunks]
    assert found.futures >= 3 * len(load_preset(name).futures())


@pytest.mark.parametrize(
    ("changed", "where"),
    [({"pixel": 1}, "image of wrist"), ({"joint": 1e-12}, "proprioception"), ({"told": "reach"}, "instruction")],
)
def test_the_place_where_they_part_is_named(
    changed: dict, where: str, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents: "something differs" after a day of searching; one pixel, one bit, one word must be enough."""
    path = record(tmp_path / "other.mcap", checkpoint, **changed)
    found = replay(path)
    assert [bool(c.parted) for c in found.chunks] == [False, True, False] and where in found.chunks[1].parted[0]
    assert run("replay", [str(path), "--check"]) == 1 and run("replay", [str(path)]) == 0
    assert f"chunk 1 at 0.80 s: {where}" in capsys.readouterr().out


def test_a_chunk_that_goes_on_from_an_unrecorded_one_is_not_made_up(checkpoint: Path, tmp_path: Path) -> None:
    """Prevents: a chunk made again without its prefix, and the difference blamed on the model."""
    found = replay(record(tmp_path / "late.mcap", checkpoint, first=False))
    assert [c.parted for c in found.chunks] == [
        ("chunk: not recorded",),
        ("chunk in progress: not recorded",),
        (),
    ]


def test_another_checkpoint_is_not_taken_for_the_recorded_one(checkpoint: Path, tmp_path: Path) -> None:
    """Prevents: parity claimed for a model that merely has the same name."""
    path = record(tmp_path / "same.mcap", checkpoint)
    other = make_tiny_checkpoint(tmp_path / "other", spread=0.03)
    found = replay(path, str(other))
    assert not found.equal and "checkpoint" in found.model[0]
    assert all("chunk: by up to" in c.parted[0] for c in found.chunks)


def test_a_recording_without_a_model_is_refused(tmp_path: Path) -> None:
    """Prevents: "0 of 0 chunks differ" taken for success."""
    with Recorder(tmp_path / "none.mcap", ROBOT, {}) as recorder:
        EpisodeWriter(recorder, ROBOT).instruction(TOLD, STAMP)
    with pytest.raises(ContractError, match="wam_inference"):
        replay(tmp_path / "none.mcap")


@pytest.mark.slow
@pytest.mark.parametrize("seam", CONTINUATIONS)
def test_a_live_recording_replays_bit_equal(seam: str, checkpoint: Path, tmp_path: Path) -> None:
    """Prevents: sensors, preprocessing or noise that differ between the running graph and its recording."""
    with live_graph("wam_cell", "wam_executor", "wam_inference", "wam_recorder") as live:
        live.client.set_parameters("wam_inference", {"model": str(checkpoint), "seam": seam, "imagine": "always"})
        inputs, chunks = list[ModelInput](), list[ActionChunk]()
        live.client.listen(ModelInput, "/wam_inference/input", inputs.append)
        live.client.listen(ActionChunkMessage, "/wam_inference/action_chunk", lambda m: chunks.append(action_chunk(m)))
        live.activate("wam_executor", "wam_inference")
        live.wait_for_mode("holding")
        live.client.set_parameters("wam_recorder", {"folder": str(tmp_path)})
        path = Path(live.client.call(StartRecording, "/wam_recorder/start", StartRecording.Request()).path)
        live.client.spin(1.0)  # its subscriptions are found
        handle = live.client.start_task(TOLD, 6.0)
        live.client.wait_until(lambda: len(inputs) >= 2, "two chunks")
        live.client.set_parameters("wam_inference", {"denoising_steps": 3})
        live.client.result_of(handle, 60.0)
        assert live.client.call(StopRecording, "/wam_recorder/stop", StopRecording.Request()).success
    found = replay(path)
    assert found.equal, [c for c in found.chunks if c.parted]
    assert len(found.chunks) >= 4 and found.futures >= 3
    assert {message.denoising_steps for message in inputs} == {0, 3}
    if seam == "real_time_chunking":
        assert continued(inputs, chunks) >= 3
    else:
        assert not any(map(until_ns, inputs))


def until_ns(message: ModelInput) -> int:
    return conversion.nanoseconds(message.committed_until)


def continued(inputs: list[ModelInput], chunks: list[ActionChunk]) -> int:
    """How many chunks went on from the one before; steps that were committed, which a fast model has none of, must be
    those of the chunk before."""
    numbered, count = {chunk.sequence: chunk for chunk in chunks}, 0
    for told in (message for message in inputs if until_ns(message)):
        old, new = numbered[told.continued_sequence], numbered[told.sequence]
        due_ns = new.start_ns + new.step_ns * np.arange(len(new.values))
        kept = due_ns <= min(until_ns(told), old.start_ns + (len(old.values) - 1) * old.step_ns)
        values = overlap(Committed(old, until_ns(told)), due_ns[kept]).values
        np.testing.assert_allclose(new.values[kept], values, atol=1e-6)
        assert 0 <= until_ns(told) - new.stamp_ns < 1_000_000_000
        count += 1
    return count
