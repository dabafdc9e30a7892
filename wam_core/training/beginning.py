"""What a training run begins with: fresh parts, or those of a checkpoint that goes on with other recordings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from wam_core.data.frames import TrainingFrames
from wam_core.data.statistics import ColumnStatistics
from wam_core.errors import ContractError
from wam_core.model.wam import WorldActionModel
from wam_core.preset import Preset
from wam_core.presets import build_substrates, model_spec
from wam_core.robot.binding import check_binding
from wam_core.robot.contract import contract_of
from wam_core.substrates.substrate import Substrate
from wam_core.training.batches import statistics_of, vocabulary_of
from wam_core.training.checkpoint import Checkpoint, load_weights


@dataclass(frozen=True)
class Beginning:
    """A model before its first step, and what its numbers mean."""

    preset: Preset
    model: WorldActionModel
    substrates: Mapping[str, Substrate]
    statistics: Mapping[str, ColumnStatistics]


def go_on(checkpoint: Checkpoint, frames: TrainingFrames) -> Beginning:
    """A checkpoint for other recordings. Its statistics stay, because its weights were trained on their scale.

    Raises:
        ContractError: recordings of another robot, or an instruction with a word that the checkpoint does not know.
    """
    check_binding(contract_of(checkpoint.robot), contract_of(frames.robot))
    for instruction in sorted(set(frames.instructions)):
        checkpoint.model.text.tokenize(instruction)
    return Beginning(checkpoint.preset, checkpoint.model, checkpoint.substrates, checkpoint.statistics)


def made(file: Path | None) -> Path:
    """What an earlier part of training made; :class:`ContractError` where it is not named."""
    if file is None:
        expected = "--vae <vae.safetensors>, made by wam train --part vae, or of --part codebook what that made"
        raise ContractError("vae", None, expected)
    return file


def begin(preset: Preset, frames: TrainingFrames, vae: Path | None, seed: int) -> Beginning:
    """Fresh parts; the substrates that learn have learned already, and what they learned is in the file ``vae``.

    Raises:
        ContractError: a substrate that learns, and no such file; or one that does not fit it.
    """
    substrates = build_substrates(preset, frames.robot)
    for learned in [s for s in substrates.values() if s.state_dict()]:
        load_weights(learned, made(vae))
    torch.manual_seed(seed)
    model = WorldActionModel(model_spec(preset, frames.robot, vocabulary_of(frames)))
    return Beginning(preset, model, substrates, statistics_of(preset, frames))
