"""What a training run leaves."""

from collections.abc import Mapping
from typing import Any

import torch

from wam_core.data.frames import TrainingFrames
from wam_core.model.wam import WorldActionModel
from wam_core.training.batches import first_scene, learned_from
from wam_core.training.beginning import Beginning
from wam_core.training.checkpoint import Checkpoint
from wam_core.training.fine_tuning import merged
from wam_core.training.trainer import TrainingState, whole_state


def checkpoint_of(
    begun: Beginning, state: TrainingState, frames: TrainingFrames, record: Mapping[str, Any]
) -> Checkpoint:
    """The averaged weights with what they were trained on; ``record`` is what else is to be known of the run.

    To be called by all processes of the run.
    """
    model = WorldActionModel(begun.model.spec)
    model.load_state_dict(merged(whole_state(state.average)))
    training = {
        "vocabulary": model.spec.vocabulary,
        "instructions": sorted(set(frames.instructions)),
        "sub_instructions": frames.parts(),
        **record,
    }
    first = first_scene(begun.preset, frames)
    learned = learned_from(begun.preset, frames, begun.substrates, torch.Generator().manual_seed(0))
    parts = (begun.substrates, begun.statistics)
    return Checkpoint(begun.preset, frames.robot, model.eval(), *parts, training, *first, learned)
