"""The scripted experts, through the executor: they solve what is laid out, also when pushed off their way."""

import numpy as np
import pytest

from wam_core.cell.cell import Cell
from wam_core.cell.experts import EXPERTS, make_expert
from wam_core.cell.tasks import TASKS
from wam_core.contract import ActionChunk, Observation
from wam_core.evaluation.expert_policy import ExpertPolicy, position_noise
from wam_core.evaluation.rollout import EpisodeResult, run_episode
from wam_core.executor.executor import Executor
from wam_core.robot.robot_file import load_robot


@pytest.fixture(scope="module")
def cell() -> Cell:
    return Cell(load_robot("panda_cell"), renderer="raycast")


def run(cell: Cell, task: str, seed: int, noise_m: float) -> EpisodeResult:
    rng = np.random.default_rng(seed)
    perturb = position_noise(rng, noise_m) if noise_m else None
    return run_episode(cell, Executor(cell.robot), ExpertPolicy(cell, rng), task, seed, perturb=perturb)


class Replay:
    """Repeats recorded targets, whatever is in front of it."""

    cameras: tuple[str, ...] = ()
    senses: tuple[str, ...] = ()
    replan_steps = 1

    def __init__(self, chunks: list[ActionChunk], cell: Cell) -> None:
        self._chunks = chunks
        self._robot = cell.robot
        self._sequence = 0

    def act(self, observation: Observation) -> ActionChunk:
        values = self._chunks[min(self._sequence, len(self._chunks) - 1)].values
        chunk = ActionChunk(observation.stamp_ns, observation.stamp_ns + self._robot.step_ns, self._robot.step_ns,
                            self._robot.action.names, self._robot.action.space, values, self._sequence)  # fmt: skip
        self._sequence += 1
        return chunk


def test_every_task_has_an_expert() -> None:
    """Prevents a task that cannot be demonstrated."""
    assert EXPERTS.keys() == TASKS.keys()


@pytest.mark.parametrize("task", TASKS)
def test_experts_solve_their_tasks(cell: Cell, task: str) -> None:
    """Prevents broken demonstrations: an expert that no longer gets there, or is refused by the executor."""
    for seed in (1000, 1001):
        result = run(cell, task, seed, 0.0)
        assert result.success, result
        assert not result.rejected


@pytest.mark.parametrize("task", TASKS)
def test_experts_look_only_at_the_present(cell: Cell, task: str) -> None:
    """Prevents a hidden phase: an expert made in the middle of an episode must go on where another would."""
    cell.reset(task, 3)
    first = make_expert(cell, np.random.default_rng(0))
    executor = Executor(cell.robot)
    executor.reset(cell.robot_state())
    robot = cell.robot
    for step in range(25):
        target = first.act().target
        np.testing.assert_array_equal(target, first.act().target)
        np.testing.assert_array_equal(target, make_expert(cell, np.random.default_rng(0)).act().target)
        stamp = cell.time_ns
        chunk = ActionChunk(stamp, stamp + robot.step_ns, robot.step_ns, robot.action.names, robot.action.space,
                            target[None], step)  # fmt: skip
        assert executor.accept(chunk, stamp).accepted
        for _ in range(round(robot.rates.control_hz / robot.rates.action_hz)):
            cell.step(executor.tick(cell.robot_state(), cell.time_ns).effort)


@pytest.mark.parametrize("task", TASKS)
def test_targets_advance_at_a_bounded_speed_inside_the_workspace(cell: Cell, task: str) -> None:
    """Prevents targets that the executor must clip, so that the recorded action is not what was done."""
    targets: list[np.ndarray] = []
    poses: list[np.ndarray] = []

    class Watched(ExpertPolicy):
        def act(self, observation: Observation) -> ActionChunk:
            chunk = super().act(observation)
            targets.append(chunk.values[0])
            poses.append(observation.proprioception)
            return chunk

    run_episode(cell, Executor(cell.robot), Watched(cell, np.random.default_rng(0)), task, 1002)
    box = cell.robot.workspace
    for target, pose in zip(targets, poses, strict=True):
        assert np.all(target[:3] >= box.lower) and np.all(target[:3] <= box.upper)
        assert np.linalg.norm(target[:3] - pose[:3]) <= 0.031
        assert 0.0 <= target[6] <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_experts_recover_from_noise(cell: Cell, task: str) -> None:
    """Prevents an expert that only works from where it would have been itself."""
    assert sum(run(cell, task, seed, 0.01).success for seed in range(1000, 1006)) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_another_layout_needs_another_motion(cell: Cell, task: str) -> None:
    """Prevents a task that can be done with the image frozen: the motion of one seed must fail on most others. Some lay
    the goal where it was."""
    chunks: list[ActionChunk] = []

    class Recorded(ExpertPolicy):
        def act(self, observation: Observation) -> ActionChunk:
            chunks.append(super().act(observation))
            return chunks[-1]

    assert run_episode(cell, Executor(cell.robot), Recorded(cell, np.random.default_rng(0)), task, 1003).success
    results = [run_episode(cell, Executor(cell.robot), Replay(chunks, cell), task, seed) for seed in range(1010, 1015)]
    assert sum(result.success for result in results) <= 2
