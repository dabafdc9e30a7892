"""Training at a budget: the steps of `wam train`, with what presets share made once."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from wam_core.data.frames import TrainingFrames
from wam_core.evaluation.report.budget import Budget
from wam_core.preset import Preset
from wam_core.training.batches import Batches, make_batches
from wam_core.training.beginning import begin
from wam_core.training.checkpoint import Checkpoint
from wam_core.training.ending import checkpoint_of
from wam_core.training.trainer import start, train, validate

#: Part of the updates in which the learning rate rises, whatever the preset's own warm-up: budgets are shorter.
WARM_UP_SHARE = 0.1
#: One demonstration in this many is held out.
HELD_OUT = 12


@dataclass(frozen=True)
class Fitted:
    """What training took and came to.

    Attributes:
        windows: that updates draw from, of ``demonstrations`` stretches of recordings.
        seconds: wall time of encoding and training. cpu_seconds: the process's own.
        held_out: group -> loss on windows of recordings that were held out, with the averaged weights.
        curve: (updates, that loss) at evenly spaced updates, the last at the end.
    """

    windows: int
    demonstrations: int
    seconds: float
    cpu_seconds: float
    held_out: dict[str, float]
    curve: tuple[tuple[int, dict[str, float]], ...]


def split(frames: TrainingFrames) -> tuple[TrainingFrames, TrainingFrames]:
    """What is trained on, and what is held out for losses and for predicted pictures."""
    held = [i for i in range(len(frames.bounds)) if i % HELD_OUT == 0]
    return frames.select([i for i in range(len(frames.bounds)) if i % HELD_OUT]), frames.select(held)


def fit(
    preset: Preset,
    frames: TrainingFrames,
    parts: tuple[TrainingFrames, TrainingFrames],
    budget: Budget,
    learned: Path | None,
    alter: Callable[[Batches, TrainingFrames], Batches] = lambda batches, frames: batches,
    points: int = 1,
) -> tuple[Checkpoint, Fitted]:
    """Train ``preset`` on the recorded frames, without augmented copies.

    Args:
        frames: all there is: what instructions and statistics are taken of.
        parts: of it, what is trained on and what is held out.
        learned: what its substrates learned before, see :func:`begin`.
        alter: changes what is learned from the first part.
        points: of the curve.

    Raises:
        ContractError: the data lack what the preset is made from, or a part of it is not on this machine.
    """
    seen, held_out = parts
    began, own = time.monotonic(), time.process_time()
    begun = begin(preset, frames, learned, budget.seed)
    data, unseen = (make_batches(preset, part, begun.substrates, begun.model.text, begun.statistics) for part in parts)
    data = alter(data, seen)
    warmup = round(WARM_UP_SHARE * budget.updates)
    settings = replace(preset.training, steps=budget.updates, batch=budget.batch, warmup=warmup)
    torch.manual_seed(budget.seed)
    state = start(begun.model, settings)
    curve: list[tuple[int, dict[str, float]]] = []
    shown = [round(budget.updates * (k + 1) / points) for k in range(points)]

    def report(step: int, losses: dict[str, float]) -> None:
        if step in shown:
            curve.append((step, validate(state, unseen, budget.seed)))

    train(state, settings, data, budget.seed, report)
    fitted = Fitted(
        windows=len(data),
        demonstrations=len(seen.bounds),
        seconds=time.monotonic() - began,
        cpu_seconds=time.process_time() - own,
        held_out=curve[-1][1],
        curve=tuple(curve),
    )
    return checkpoint_of(begun, state, frames, {"budget": asdict(budget), **asdict(fitted)}), fitted
