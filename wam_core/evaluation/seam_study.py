"""What each seam mode does to the motion where a model's chunks meet, and to its success: `wam bench seams`."""

import multiprocessing
import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, FloatArray, JointCommand, Observation
from wam_core.evaluation.continuing import ContinuingPolicy
from wam_core.evaluation.rollout import run_episode
from wam_core.executor.executor import Executor
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.contract import RobotContract
from wam_core.robot.robot_file import load_robot

#: Time after a chunk's arrival in which its seam is, beyond the time of the change-over (ns).
AFTERWARDS_NS = 50_000_000


@dataclass(frozen=True)
class SeamRun:
    """One episode of a model whose chunks arrive ``delay_ms`` after their observation; ``seam`` is the executor's,
    ``continuation`` the model's."""

    seam: str
    continuation: str
    delay_ms: int
    model: str
    robot: str
    task: str
    seed: int


class SeamJerk(NamedTuple):
    """As shares of a joint's limit. The peak cannot be above the executor's ``jerk_share``, which any quick movement
    reaches; the root mean square says for how long."""

    peak: float
    rms: float


@dataclass(frozen=True)
class SeamResult:
    """``jerks``: around each seam, the worst joint's."""

    run: SeamRun
    success: bool
    jerks: tuple[SeamJerk, ...]


def seam_runs(
    modes: Sequence[tuple[str, str]],
    delays_ms: Sequence[int],
    model: str,
    robot: str,
    tasks: Sequence[str],
    seeds: Sequence[int],
) -> list[SeamRun]:
    """Every mode (seam and continuation) at every delay on the same episodes, episodes one after the other."""
    return [
        SeamRun(seam, continuation, delay, model, robot, task, seed)
        for seed, task, delay, (seam, continuation) in product(seeds, tasks, delays_ms, modes)
    ]


def study_all(todo: Sequence[SeamRun], jobs: int, report: Callable[[SeamResult], object]) -> list[SeamResult]:
    """Run all episodes in ``jobs`` processes of one thread each; ``report`` is called as results come, in order."""
    os.environ["OMP_NUM_THREADS"] = "1"
    results = []
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for result in pool.imap(study, todo):
            report(result)
            results.append(result)
    return results


def study(run: SeamRun) -> SeamResult:
    """One episode in this process."""
    import torch

    from wam_core.policy import load_policy

    torch.set_num_threads(1)
    cell = _cell(run.robot)
    executor = Executor(cell.robot, ExecutorSettings(seam=run.seam))
    delay_ns, arrivals, commands = run.delay_ms * 1_000_000, list[int](), list[JointCommand]()

    def note(observation: Observation, chunk: ActionChunk) -> ActionChunk:
        arrivals.append(chunk.stamp_ns + delay_ns)
        return chunk

    policy = ContinuingPolicy(load_policy(run.model, cell.robot, run.seed), run.continuation, delay_ns)
    result = run_episode(
        cell, executor, policy, run.task, run.seed, perturb=note, delay_ns=delay_ns, watch=commands.append
    )
    window_ns = round(executor.settings.fade_s * 1e9) + AFTERWARDS_NS
    return SeamResult(run, result.success, seam_jerks(cell.robot, commands, arrivals[1:], window_ns))


def seam_jerks(
    robot: RobotContract, commands: Sequence[JointCommand], arrivals_ns: Sequence[int], window_ns: int
) -> tuple[SeamJerk, ...]:
    """Jerk of the commands in the ``window_ns`` from each arrival on; seams after the last command are left out."""
    stamps = [command.stamp_ns for command in commands]
    shares = _jerk_shares(robot, commands)
    begins = [bisect_left(stamps, arrival) for arrival in arrivals_ns]
    ends = [bisect_right(stamps, arrival + window_ns) for arrival in arrivals_ns]
    around = [shares[a:b] for a, b in zip(begins, ends, strict=True) if a < b]
    return tuple(SeamJerk(float(s.max()), float(np.sqrt(np.mean(s * s, axis=0)).max())) for s in around)


def _jerk_shares(robot: RobotContract, commands: Sequence[JointCommand]) -> FloatArray:
    """``[T, J]``: of the change that each command brings, none for the first."""
    arms = len(robot.joints)
    acceleration = np.array([command.acceleration[:arms] for command in commands])
    seconds = 1e-9 * np.diff([command.stamp_ns for command in commands])[:, None]
    shares = np.abs(np.diff(acceleration, axis=0)) / seconds / robot.limits.jerk
    return np.vstack([np.zeros((1, arms)), shares])


@cache
def _cell(robot: str) -> Cell:
    return Cell(load_robot(robot), "auto")
