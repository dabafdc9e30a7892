"""The episode without ROS: experts, policies, delay, recording."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, Observation
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.reader import read_episode
from wam_core.data.recorder import Recorder
from wam_core.evaluation.demonstrations import record_demonstration
from wam_core.evaluation.expert_policy import ExpertPolicy, position_noise
from wam_core.evaluation.rollout import HOLD_STEPS, run_episode
from wam_core.executor.executor import Executor
from wam_core.robot.robot_file import load_robot

ROBOT = load_robot("panda_cell")


@pytest.fixture(scope="module")
def cell() -> Cell:
    return Cell(ROBOT, "raycast")


@pytest.fixture(scope="module")
def executor() -> Executor:
    return Executor(ROBOT)


class Still:
    """Asks the arm to stay where it was first seen; keeps what it was shown."""

    cameras: Sequence[str] = ("wrist",)
    senses: Sequence[str] = ()
    replan_steps = 4

    def __init__(self, steps: int, horizon: int = 8) -> None:
        self.seen: list[Observation] = []
        self._steps, self._horizon = steps, horizon

    def act(self, observation: Observation) -> ActionChunk | None:
        self.seen.append(observation)
        if len(self.seen) > self._steps:
            return None
        return ActionChunk(
            stamp_ns=observation.stamp_ns,
            start_ns=observation.stamp_ns + ROBOT.step_ns,
            step_ns=ROBOT.step_ns,
            names=ROBOT.action.names,
            space=ROBOT.action.space,
            values=np.tile(self.seen[0].proprioception, (self._horizon, 1)),
            sequence=len(self.seen),
            model="still",
        )


class Brief(Cell):
    """The cell with episodes of one second."""

    max_seconds = 1.0


def test_an_expert_reaches_success_without_hitting_a_limit(cell: Cell, executor: Executor) -> None:
    """When cell, executor and expert disagree about stamps, frames or units, nothing is ever reached."""
    result = run_episode(cell, executor, ExpertPolicy(cell, np.random.default_rng(0)), "reach", 1)
    assert result.success and result.rejected == {} and result.instruction.startswith("reach the ")
    assert result.steps == pytest.approx(result.duration_s * 10 + HOLD_STEPS, abs=1) and result.chunks == result.steps
    assert "TRACKING_ERROR" not in result.safety and "LATCHED" not in result.safety


def test_a_policy_sees_only_its_cameras_and_is_asked_when_it_wants() -> None:
    """Rendering what no one looks at costs most of an episode's time; asking at every step costs the rest."""
    policy = Still(steps=9)
    result = run_episode(Brief(ROBOT, "raycast"), Executor(ROBOT), policy, "push", 0)
    assert not result.success and result.steps == 10 and result.duration_s == 1.0
    stamps = [o.stamp_ns for o in policy.seen]
    assert len(stamps) == 3 and np.all(np.diff(stamps) == 4 * ROBOT.step_ns)
    assert all(list(o.images) == ["wrist"] and o.images["wrist"].shape == (128, 128, 3) for o in policy.seen)
    assert np.abs(policy.seen[-1].proprioception - policy.seen[0].proprioception)[:3].max() < 2e-3


def test_a_delayed_chunk_arrives_late_and_a_hopeless_one_is_counted() -> None:
    """An evaluation that ignores inference time reports a success that the robot will not have."""
    brief = Brief(ROBOT, "raycast")
    executor = Executor(replace(ROBOT, staleness=replace(ROBOT.staleness, chunk_s=0.1)))
    in_time = run_episode(brief, executor, Still(9, horizon=8), "push", 0, delay_ns=300_000_000)
    assert in_time.chunks == 2 and in_time.rejected == {}
    too_late = run_episode(brief, executor, Still(9, horizon=1), "push", 0, delay_ns=450_000_000)
    assert too_late.chunks == 0 and sum(too_late.rejected.values()) == 2


def test_episodes_on_one_cell_and_executor_do_not_depend_on_each_other(cell: Cell, executor: Executor) -> None:
    """State that leaks from one episode to the next makes results depend on their order."""
    first = run_episode(cell, executor, ExpertPolicy(cell, np.random.default_rng(0)), "reach", 3)
    executor.stop("test")
    again = run_episode(cell, executor, ExpertPolicy(cell, np.random.default_rng(0)), "reach", 3)
    assert again == first


def test_a_demonstration_reads_back_as_what_the_expert_wanted(cell: Cell, executor: Executor, tmp_path: Path) -> None:
    """The recorded action is the expert's clean one, and the recorded pose is the live one, to the last image."""
    path = tmp_path / "reach.mcap"
    result = record_demonstration(cell, executor, "reach", 2, path, ["wrist"])
    episode = read_episode(path)
    assert episode.success and len(episode.stamps_ns) == result.steps and episode.gaps == ()
    assert episode.instruction == result.instruction and list(episode.images) == ["wrist"]
    assert episode.metadata["renderer"] == "raycast" and episode.metadata["task"] == "reach"
    cell.reset("reach", 2)
    assert np.array_equal(cell.image("wrist"), episode.images["wrist"][0])
    assert np.allclose(cell.tool_pose(), episode.proprioception[0], atol=1e-9)
    travelled = episode.proprioception[1:, :3] - episode.proprioception[:-1, :3]
    wanted = episode.actions[:-1, :3] - episode.proprioception[:-1, :3]
    assert np.abs(travelled - wanted).max() < 0.05


def test_noise_goes_to_the_arm_and_not_into_the_recording(cell: Cell, executor: Executor, tmp_path: Path) -> None:
    """Recording the noisy action teaches the noise; recording the clean one teaches the way back."""
    path = tmp_path / "noisy.mcap"
    executed = []
    noise = position_noise(np.random.default_rng(1))

    def perturb(observation: Observation, chunk: ActionChunk) -> ActionChunk:
        executed.append(noise(observation, chunk))
        return executed[-1]

    with Recorder(path, ROBOT, {"cameras": ""}) as recorder:
        run_episode(
            cell,
            executor,
            ExpertPolicy(cell, np.random.default_rng(0)),
            "reach",
            4,
            writer=EpisodeWriter(recorder, ROBOT),
            chunk_topic="/demonstration/action_chunk",
            perturb=perturb,
        )
    clean = read_episode(path).actions
    offsets = np.array([c.values[0] for c in executed]) - clean
    assert np.all(offsets[:, 3:] == 0) and 0.002 < offsets[:, :3].std() < 0.015
