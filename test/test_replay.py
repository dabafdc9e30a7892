"""Replay parity: what was recorded gives back what the model was given and what it answered, or says where it parts."""

from pathlib import Path

import numpy as np
import pytest
from live_graph import live_graph
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.cli.main import run
from wam_core.contract import Observation, RobotState
from wam_core.data import messages
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.recorder import MODEL_RECORD, Recorder
from wam_core.errors import ContractError
from wam_core.evaluation.replay import replay
from wam_core.policy import load_policy
from wam_core.provenance import input_record, model_record
from wam_core.robot.contract import load_robot
from wam_core.robot.kinematics import Kinematics, proprioception
from wam_msgs.srv import StartRecording, StopRecording

ROBOT = load_robot("panda_cell")
STAMP, TOLD = 1_790_000_000_000_000_000, "reach the red ball"


def record(path: Path, checkpoint: Path, *, pixel: int = 0, joint: float = 0.0, told: str = TOLD) -> Path:
    """Three chunks; ``pixel``, ``joint`` and ``told`` are recorded otherwise than the model had them at the second."""
    policy, kinematics = load_policy(str(checkpoint), ROBOT, seed=5), Kinematics(ROBOT)
    rng = np.random.default_rng(0)
    with Recorder(path, ROBOT, {}) as recorder:
        writer = EpisodeWriter(recorder, ROBOT)
        recorder.note(MODEL_RECORD, model_record(policy, checkpoint, 1).to_metadata())
        for k in range(3):
            stamp_ns = STAMP + k * 800_000_000
            position = np.append(ROBOT.home + 0.01 * k, 0.04)
            images = {c: rng.integers(0, 255, (128, 128, 3), np.uint8) for c in policy.cameras}
            pose = proprioception(kinematics, RobotState(stamp_ns, position, np.zeros(8)))
            observation = Observation(stamp_ns, images, pose, TOLD)
            chunk = policy.act(observation)
            used = input_record(policy, observation, chunk.sequence)
            second = k == 1
            writer.instruction(told if second else TOLD, stamp_ns)
            for camera, image in images.items():
                image[0, 0, 0] += pixel if second and camera == policy.cameras[-1] else 0
                writer.image(camera, image, stamp_ns)
            writer.state(RobotState(stamp_ns - 1_000_000, position + joint * second, np.zeros(8)))
            message = messages.encode_input(ROBOT, **vars(used))
            recorder.write(messages.INPUT_TOPIC, message.type_name, message.data, stamp_ns)
            writer.chunk(messages.POLICY_TOPIC, chunk, stamp_ns)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


def test_what_was_recorded_is_made_again_bit_by_bit(checkpoint: Path, tmp_path: Path) -> None:
    """Prevents: a model that sees something else live than in its recordings, unnoticed."""
    found = replay(record(tmp_path / "same.mcap", checkpoint))
    assert found.equal and not found.model and [c.largest for c in found.chunks] == [0.0] * 3
    assert run("replay", [str(tmp_path / "same.mcap"), "--check"]) == 0


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
def test_a_live_recording_replays_bit_equal(checkpoint: Path, tmp_path: Path) -> None:
    """Prevents: sensors, preprocessing or noise that differ between the running graph and its recording."""
    with live_graph("wam_cell", "wam_executor", "wam_inference", "wam_recorder") as live:
        live.client.set_parameters("wam_inference", {"model": str(checkpoint), "replan_steps": 0, "imagine": "always"})
        live.activate("wam_executor", "wam_inference")
        live.wait_for_mode("holding")
        live.client.set_parameters("wam_recorder", {"folder": str(tmp_path)})
        path = Path(live.client.call(StartRecording, "/wam_recorder/start", StartRecording.Request()).path)
        live.client.spin(1.0)  # its subscriptions are found
        handle = live.client.start_task(TOLD, 6.0)
        live.client.result_of(handle, 60.0)
        assert live.client.call(StopRecording, "/wam_recorder/stop", StopRecording.Request()).success
    found = replay(path)
    assert found.equal, [c for c in found.chunks if c.parted]
    assert len(found.chunks) >= 4 and found.futures >= 3
