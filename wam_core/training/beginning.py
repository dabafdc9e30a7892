"""What a training run begins with: fresh parts, or those of a checkpoint that goes on with other recordings."""

from collections.abc import Mapping
from dataclasses import dataclass

from wam_core.data.frames import TrainingFrames
from wam_core.data.statistics import ColumnStatistics
from wam_core.model.wam import WorldActionModel
from wam_core.presets import Preset
from wam_core.robot.binding import check_binding
from wam_core.substrates.substrate import Substrate
from wam_core.training.checkpoint import Checkpoint


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
    check_binding(checkpoint.robot, frames.robot)
    for instruction in sorted(set(frames.instructions)):
        checkpoint.model.text.tokenize(instruction)
    return Beginning(checkpoint.preset, checkpoint.model, checkpoint.substrates, checkpoint.statistics)
