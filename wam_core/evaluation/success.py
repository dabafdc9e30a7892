"""Success rates of a policy in the cell, over seeds that no demonstration used."""

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from wam_core.cell.cell import Cell
from wam_core.dial import Dial
from wam_core.evaluation.continuing import Continuable, ContinuingPolicy
from wam_core.evaluation.controls import BlindPolicy, ShuffledInstruction
from wam_core.evaluation.rollout import EpisodeResult, run_episode
from wam_core.executor.executor import Executor
from wam_core.policy import Policy, load_policy
from wam_core.robot.robot_file import load_robot


@dataclass(frozen=True)
class Trial:
    """One episode to run; ``delay_ms`` is the inference delay to imitate, ``control`` a key of :data:`CONTROLS`,
    ``continuation`` one of :data:`wam_core.continuation.CONTINUATIONS`, ``runtime`` a key of :data:`RUNTIMES`,
    ``variation`` one of :data:`wam_core.cell.variations.VARIATIONS`."""

    model: str
    robot: str
    task: str
    seed: int
    control: str
    renderer: str
    delay_ms: int
    continuation: str
    dial: Dial = Dial()
    runtime: str = "eager"
    variation: str = "none"


CONTROLS: dict[str, Callable[[Policy, int], Continuable]] = {
    "none": lambda policy, seed: policy,
    "blind": lambda policy, seed: BlindPolicy(policy),
    "shuffle_instruction": lambda policy, seed: ShuffledInstruction(policy, np.random.default_rng(seed)),
}


def run_trials(trials: Sequence[Trial], jobs: int, report: Callable[[EpisodeResult], None]) -> list[EpisodeResult]:
    """Run all trials in ``jobs`` processes of one thread each; ``report`` is called as results come, in order."""
    results = []
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for result in pool.imap(run_trial, trials):
            report(result)
            results.append(result)
    return results


def run_trial(trial: Trial) -> EpisodeResult:
    """One episode in this process."""
    torch.set_num_threads(1)
    cell = _cell(trial.robot, trial.renderer)
    # A policy of its own: the noise of a trial depends on its seed, not on what this process ran before.
    loaded = _policy(trial.model, trial.robot, trial.runtime)
    policy = Policy(loaded.checkpoint, trial.seed, loaded.runtime)
    policy.dial = trial.dial
    delay_ns = trial.delay_ms * 1_000_000
    acting = ContinuingPolicy(CONTROLS[trial.control](policy, trial.seed), trial.continuation, delay_ns)
    executor = Executor(cell.robot)
    return run_episode(
        cell,
        executor,
        acting,
        trial.task,
        trial.seed,
        variation=trial.variation,
        delay_ns=delay_ns,
        parted=policy.parted,
        corrected=acting.corrected,
    )


@cache
def _cell(robot: str, renderer: str) -> Cell:
    return Cell(load_robot(robot), renderer)


@cache
def _policy(model: str, robot: str, runtime: str) -> Policy:
    return load_policy(model, load_robot(robot), runtime=runtime)
