"""A trained preset measured, part by part: a row that was made before there was a part gets that part alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch

from wam_core.cell.cell import Cell
from wam_core.cell.variations import VARIATIONS
from wam_core.data.frames import TrainingFrames
from wam_core.evaluation.controls import BlindPolicy
from wam_core.evaluation.futures import FrameScores, score_futures
from wam_core.evaluation.properties.check import check
from wam_core.evaluation.properties.finding import Finding
from wam_core.evaluation.report.budget import Exam
from wam_core.evaluation.report.cost import Cost, Timed, cost_of
from wam_core.evaluation.report.episodes import Success, run_tagged, success_of
from wam_core.model.runtimes.eager import Eager
from wam_core.policy import Policy
from wam_core.robot.contract import contract_of
from wam_core.training.checkpoint import Checkpoint

#: Steps of a held-out recording between two futures that are compared with it.
FUTURE_STRIDE = 8


@dataclass(frozen=True)
class Candidate:
    """What is measured.

    Attributes:
        held_out: reads the recordings that it was not trained on.
        blind: whether its episodes are repeated with the cameras frozen to the first training frame.
    """

    checkpoint: Checkpoint
    exam: Exam
    held_out: Callable[[], TrainingFrames]
    renderer: str
    blind: bool

    @cached_property
    def cell(self) -> Cell:
        return Cell(contract_of(self.checkpoint.robot), self.renderer)

    @cached_property
    def runtime(self) -> Eager:
        return Eager(self.checkpoint.model)

    def policy(self, seed: int) -> Policy:
        return Policy(self.checkpoint, seed, self.runtime)

    def trials(self, episodes: int) -> list[tuple[str, int]]:
        """Task and seed of each of so many ``episodes`` a task."""
        return [(task, self.exam.seed + i) for task in self.exam.tasks for i in range(episodes)]


@dataclass(frozen=True)
class ClosedLoop:
    """``blind`` is of the same episodes; None where nobody asked."""

    success: Success
    blind: Success | None
    cost: Cost


@dataclass(frozen=True)
class Imagination:
    """Its pictures against held-out recordings; None for a preset that generates none.

    Attributes:
        sustained_s: how far ahead, from the first predicted instant on, they are on average closer to what was
            recorded than the picture that it started from (PSNR).
    """

    futures: FrameScores | None
    sustained_s: float | None


@dataclass(frozen=True)
class Promises:
    """``properties`` were tried where its first episode ended."""

    properties: tuple[Finding, ...]


@dataclass(frozen=True)
class Generalising:
    """``generalising`` has each of :data:`wam_core.cell.variations.VARIATIONS` but ``none``."""

    generalising: dict[str, Success]


def measure(candidate: Candidate, part: str) -> dict[str, Any]:
    """The fields of one of :data:`PARTS`, as a row has them, measured on one thread.

    Raises:
        ContractError: the checkpoint cannot be asked what it is made for.
    """
    torch.set_num_threads(1)
    return asdict(PARTS[part](candidate))


def _closed_loop(candidate: Candidate) -> ClosedLoop:
    trials, delay_ms = candidate.trials(candidate.exam.episodes), candidate.exam.delay_ms
    policies = [candidate.policy(seed) for _, seed in trials]
    policies[0].warm_up()
    timed = [Timed(policy) for policy in policies]
    seen = [run_tagged(candidate.cell, *trial, t, delay_ms) for trial, t in zip(trials, timed, strict=True)]
    eyeless = [(task, seed, BlindPolicy(candidate.policy(seed))) for task, seed in trials if candidate.blind]
    unseen = [run_tagged(candidate.cell, *trial, delay_ms) for trial in eyeless]
    return ClosedLoop(success_of(seen), success_of(unseen) if candidate.blind else None, cost_of(policies[0], timed))


def _imagination(candidate: Candidate) -> Imagination:
    checkpoint = candidate.checkpoint
    preset = checkpoint.preset
    if not any(preset.substrates[group.substrate].shows == "video" for group in preset.futures()):
        return Imagination(None, None)
    futures = score_futures(checkpoint, candidate.held_out(), FUTURE_STRIDE, candidate.exam.seed)
    horizon_s = preset.horizon * checkpoint.robot.step_ns / 1e9
    return Imagination(futures, horizon_s * _better(futures.psnr, futures.psnr_copy))


def _promises(candidate: Candidate) -> Promises:
    task, seed = candidate.trials(1)[0]
    policy = Timed(candidate.policy(seed))
    run_tagged(candidate.cell, task, seed, policy, candidate.exam.delay_ms)
    return Promises(check(candidate.checkpoint, policy.last))


def _generalising(candidate: Candidate) -> Generalising:
    exam, found = candidate.exam, {}
    for variation in VARIATIONS:
        if variation != "none":
            trials = [
                (task, seed, Timed(candidate.policy(seed))) for task, seed in candidate.trials(exam.varied_episodes)
            ]
            found[variation] = success_of([run_tagged(candidate.cell, *t, exam.delay_ms, variation) for t in trials])
    return Generalising(found)


#: Part -> how it is measured; a part is named after the field by which a row is known to have it.
PARTS: Mapping[str, Callable[[Candidate], ClosedLoop | Imagination | Promises | Generalising]] = {
    "success": _closed_loop,
    "futures": _imagination,
    "properties": _promises,
    "generalising": _generalising,
}


def _better(made: Sequence[float], copied: Sequence[float]) -> float:
    """Share of the instants, from the first on, at which what was made is better than the copy."""
    worse = [k for k, (own, copy) in enumerate(zip(made, copied, strict=True)) if own <= copy]
    return min(worse, default=len(made)) / len(made)
