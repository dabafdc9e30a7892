"""A trained preset measured: episodes, cost of a chunk, prediction quality."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from wam_core.cell.cell import Cell
from wam_core.data.frames import TrainingFrames
from wam_core.evaluation.controls import BlindPolicy
from wam_core.evaluation.futures import FrameScores, score_futures
from wam_core.evaluation.intervals import wilson_interval
from wam_core.evaluation.properties.check import check
from wam_core.evaluation.properties.finding import Finding
from wam_core.evaluation.report.budget import Budget
from wam_core.evaluation.report.cost import Cost, Timed, cost_of
from wam_core.evaluation.report.failures import ContactWatch
from wam_core.evaluation.rollout import EpisodeResult, run_episode
from wam_core.executor.executor import Executor
from wam_core.model.runtimes.eager import Eager
from wam_core.policy import Policy
from wam_core.training.checkpoint import load_checkpoint

#: Steps of a held-out recording between two futures that are compared with it.
FUTURE_STRIDE = 8


@dataclass(frozen=True)
class Success:
    """Episodes of all tasks together.

    Attributes:
        interval_95: Wilson's. by_task: task -> episodes that succeeded. failures: tag -> episodes, see
            :data:`wam_core.evaluation.report.failures.TAGS`.
    """

    succeeded: int
    episodes: int
    interval_95: tuple[float, float]
    by_task: dict[str, int]
    failures: dict[str, int]


@dataclass(frozen=True)
class Measured:
    """One preset.

    Attributes:
        blind: the same episodes with the cameras frozen to the first training frame; None where nobody asked.
        futures: against held-out recordings; None for a preset that generates no pictures.
        properties: tried where its first episode ended.
        sustained_s: how far ahead, from the first predicted instant on, its pictures are on average closer to what was
            recorded than the picture that it started from (PSNR); None as ``futures``.
    """

    success: Success
    blind: Success | None
    cost: Cost
    futures: FrameScores | None
    sustained_s: float | None
    properties: tuple[Finding, ...]


def measure(folder: Path, budget: Budget, held_out: TrainingFrames, renderer: str, blind: bool) -> Measured:
    """Measure the checkpoint in ``folder``, on one thread; ``blind``: with the cameras frozen, too.

    Raises:
        ContractError: the checkpoint cannot be read, or cannot be asked what it is made for.
    """
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(folder)
    cell, runtime = Cell(checkpoint.robot, renderer), Eager(checkpoint.model)
    trials = [(task, budget.seed + i) for task in budget.tasks for i in range(budget.episodes)]
    policies = [Policy(checkpoint, seed, runtime) for _, seed in trials]
    policies[0].warm_up()
    timed = [Timed(policy) for policy in policies]
    seen = [_episode(cell, *trial, t, budget) for trial, t in zip(trials, timed, strict=True)]
    eyeless = [(task, seed, BlindPolicy(Policy(checkpoint, seed, runtime))) for task, seed in trials if blind]
    unseen = [_episode(cell, *trial, budget) for trial in eyeless]
    pictures = any(checkpoint.preset.substrates[g.substrate].shows == "video" for g in checkpoint.preset.futures())
    futures = score_futures(checkpoint, held_out, FUTURE_STRIDE, budget.seed) if pictures else None
    horizon_s = checkpoint.preset.horizon * checkpoint.robot.step_ns / 1e9
    return Measured(
        success=_success(seen),
        blind=_success(unseen) if blind else None,
        cost=cost_of(policies[0], timed),
        properties=check(checkpoint, timed[0].last),
        futures=futures,
        sustained_s=None if futures is None else horizon_s * _better(futures.psnr, futures.psnr_copy),
    )


def _episode(
    cell: Cell, task: str, seed: int, policy: Timed | BlindPolicy, budget: Budget
) -> tuple[EpisodeResult, str]:
    """How it went, and its tag."""
    watch, delay_ns = ContactWatch(cell), budget.delay_ms * 1_000_000
    parted = policy.parted if isinstance(policy, Timed) else (lambda observation: False)
    executor = Executor(cell.robot)
    result = run_episode(
        cell,
        executor,
        policy,
        task,
        seed,
        delay_ns=delay_ns,
        watch=watch,
        parted=parted,
        corrected=policy.corrected,
    )
    return result, watch.tag(result)


def _success(episodes: Sequence[tuple[EpisodeResult, str]]) -> Success:
    results = [result for result, _ in episodes]
    good, tags = sum(r.success for r in results), Counter(tag for _, tag in episodes if tag)
    tasks = dict.fromkeys(r.task for r in results)
    by_task = {task: sum(r.success for r in results if r.task == task) for task in tasks}
    return Success(good, len(results), wilson_interval(good, len(results)), by_task, dict(tags))


def _better(made: Sequence[float], copied: Sequence[float]) -> float:
    """Share of the instants, from the first on, at which what was made is better than the copy."""
    worse = [k for k, (own, copy) in enumerate(zip(made, copied, strict=True)) if own <= copy]
    return min(worse, default=len(made)) / len(made)
