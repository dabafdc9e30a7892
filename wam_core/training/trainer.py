"""The training loop: one optimiser, one schedule, randomness that depends on the seed and the step alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from wam_core.errors import ContractError
from wam_core.model.wam import WorldActionModel
from wam_core.preset import TrainingSettings
from wam_core.training.batches import Batches
from wam_core.training.crew import ALONE, Crew, mean, whole

#: Of a state that is kept: whole tensors, whatever each process holds of them.
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=False)


@dataclass
class TrainingState:
    """Everything an interrupted run needs to go on bit-equal to an unbroken one on the same machine."""

    model: WorldActionModel
    average: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    step: int = 0


def start(model: WorldActionModel, settings: TrainingSettings) -> TrainingState:
    """A fresh state: AdamW (0.9, 0.95) without decay on vectors, and the averaged weights equal to the model's."""
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.ndim > 1]
    vectors = [p for p in trained if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, settings.learning_rate, betas=(0.9, 0.95), fused=True)
    return TrainingState(model, {k: v.clone() for k, v in model.state_dict().items()}, optimizer)


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def step_rng(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def part_rng(seed: int, step: int, part: int) -> torch.Generator:
    """The random numbers with which one part of a step's batch is worked on, whichever process does it."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step + (part + 1) * 1_000_000_000_003)


def train_step(
    state: TrainingState, settings: TrainingSettings, data: Batches, seed: int, parts: int = 1, crew: Crew = ALONE
) -> dict[str, float]:
    """One update of the model and its average; returns the loss of each generated group.

    The batch is worked on in ``parts`` one after the other, shared among the processes of ``crew``: the update is the
    same for any number of processes. To be called by all of them.

    Raises:
        ContractError: the batch cannot be divided so.
    """
    rng = step_rng(seed, state.step)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(settings, state.step)
    if settings.batch % parts:
        raise ContractError("parts", parts, f"a divisor of the batch, {settings.batch}")
    rows = torch.randint(len(data), (settings.batch,), generator=rng).chunk(parts)
    weights = {n: g.loss_weight for n, g in state.model.wiring.groups.items()}
    state.optimizer.zero_grad()
    mine, sums = crew.parts(parts), torch.zeros(0)
    for part in mine:
        losses = _losses(state.model, data, rows[part], part_rng(seed, state.step, part))
        total = sum(losses[n] * weights[n] for n in losses if weights[n])
        (total / len(mine)).backward()  # type: ignore[union-attr]
        found = torch.stack([v.detach().float() for v in losses.values()]) / len(mine)
        sums = sums + found if len(sums) else found
    nn.utils.clip_grad_norm_(state.model.parameters(), settings.clip)
    state.optimizer.step()
    state.step += 1
    decay = min(settings.ema, state.step / (state.step + 10.0))
    with torch.no_grad():
        for key, value in state.model.state_dict().items():
            state.average[key].lerp_(value, 1.0 - decay)
    return dict(zip(losses, mean(sums, crew).tolist(), strict=True))


def _losses(model: WorldActionModel, data: Batches, rows: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
    features, words, proprioception = data.pick(rows)
    with torch.autocast("cpu", torch.bfloat16):
        return model.losses(features, model.context(words, proprioception), rng)


@torch.no_grad()
def validate(state: TrainingState, data: Batches, seed: int, batch: int = 64) -> dict[str, float]:
    """Loss of each group on held-out windows, with the averaged weights and always the same random numbers."""
    live = {k: v.clone() for k, v in state.model.state_dict().items()}
    state.model.load_state_dict(state.average)
    sums: dict[str, float] = {}
    chunks = torch.randperm(len(data), generator=step_rng(seed, 0))[: 8 * batch].split(batch)
    for i, rows in enumerate(chunks):
        for name, loss in _losses(state.model, data, rows, step_rng(seed, i)).items():
            sums[name] = sums.get(name, 0.0) + float(loss) / len(chunks)
    state.model.load_state_dict(live)
    return sums


def save_state(state: TrainingState, file: Path, crew: Crew = ALONE) -> None:
    """Write atomically: a kill leaves the previous state. To be called by all processes."""
    content = {
        "model": whole_state(state.model.state_dict()),
        "average": whole_state(state.average),
        "optimizer": get_optimizer_state_dict(state.model, state.optimizer, options=WHOLE),
        "step": state.step,
    }
    if crew.leads:
        unfinished = file.with_suffix(".part")
        torch.save(content, unfinished)
        unfinished.replace(file)


def load_state(state: TrainingState, file: Path) -> None:
    """Go on from :func:`save_state`, before or after the model was spread over any number of processes; nothing but
    tensors and plain values is unpickled."""
    content: Mapping[str, Any] = torch.load(file, weights_only=True)
    set_model_state_dict(state.model, content["average"], options=WHOLE)
    state.average = {k: v.clone() for k, v in state.model.state_dict().items()}
    set_model_state_dict(state.model, content["model"], options=WHOLE)
    set_optimizer_state_dict(state.model, state.optimizer, content["optimizer"], options=WHOLE)
    state.step = int(content["step"])


def whole_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters as all processes together hold them; to be called by all of them."""
    return {name: whole(value).detach() for name, value in state.items()}


def train(
    state: TrainingState,
    settings: TrainingSettings,
    data: Batches,
    seed: int,
    report: Callable[[int, dict[str, float]], None],
    parts: int = 1,
    crew: Crew = ALONE,
) -> None:
    """Run to ``settings.steps``; ``report`` is called after each step with its number and losses."""
    state.model.train()
    while state.step < settings.steps:
        losses = train_step(state, settings, data, seed, parts, crew)
        report(state.step, losses)
