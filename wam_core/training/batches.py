"""Recorded frames as the model's features: latents are computed once, normalisation comes from the statistics."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wam_core.contract import FloatArray
from wam_core.data.frames import TrainingFrames
from wam_core.data.statistics import ColumnStatistics, column_statistics, denormalise, normalise
from wam_core.model.contents import patchify
from wam_core.model.text import TextEncoder, words_of
from wam_core.presets import Preset
from wam_core.substrates.video_vae import VideoVae
from wam_core.training.video_vae import to_video

#: Normalised inputs are clamped to this many standard deviations, as Fast-WAM does.
CLAMP = 5.0
METHOD = "floored_z_score"


@dataclass(frozen=True)
class Batches:
    """All windows of a data set.

    Attributes:
        features: content -> ``[M, N, F]`` (video latents in half precision).
        words: ``[M, L]`` word numbers; proprioception: ``[M, D]`` normalised.
    """

    features: Mapping[str, Tensor]
    words: Tensor
    proprioception: Tensor

    def __len__(self) -> int:
        return len(self.words)

    def pick(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Features, words and proprioception of some windows, in float32."""
        return {k: v[rows].float() for k, v in self.features.items()}, self.words[rows], self.proprioception[rows]


def vocabulary_of(frames: TrainingFrames) -> tuple[str, ...]:
    """Sorted words of all instructions."""
    return tuple(sorted({w for text in frames.instructions for w in words_of(text)}))


def statistics_of(frames: TrainingFrames) -> dict[str, ColumnStatistics]:
    """Column statistics of actions and proprioception."""
    return {
        "action": column_statistics(frames.robot.action.names, frames.actions),
        "proprioception": column_statistics(frames.robot.proprioception, frames.proprioception),
    }


def normalised(statistics: ColumnStatistics, values: FloatArray) -> Tensor:
    """``[..., D]`` in contract units to clamped float32 model input."""
    return torch.from_numpy(np.clip(normalise(statistics, values, METHOD), -CLAMP, CLAMP)).float()


def denormalised(statistics: ColumnStatistics, values: Tensor) -> FloatArray:
    """Model output to contract units."""
    return denormalise(statistics, values.double().numpy(), METHOD)


@torch.no_grad()
def make_batches(
    preset: Preset, frames: TrainingFrames, vae: VideoVae, text: TextEncoder, statistics: Mapping[str, ColumnStatistics]
) -> Batches:
    """Encode every window of ``frames``."""
    windows = frames.windows(preset.horizon, preset.frame_stride)
    rows = torch.from_numpy(np.concatenate((windows.start[:, None], windows.frame), axis=1))
    images = torch.from_numpy(frames.images)
    # A frame is in many windows: its convolutions run once, only the temporal mixing runs per window.
    encoded = torch.cat([vae.encoder(to_video(part[:, None])[:, :, 0]).half() for part in images.split(64)])
    first, future = [], []
    for part in rows.split(64):
        latents = vae.normalise(vae.moments_of_features(encoded[part].float())[0])
        first.append(patchify(latents[:, :, :1], preset.patch).half())
        future.append(patchify(latents[:, :, 1:], preset.patch).half())
    actions = normalised(statistics["action"], frames.actions)
    ids = torch.stack([text.tokenize(t) for t in frames.instructions])
    return Batches(
        features={
            "first_frame": torch.cat(first),
            "future_video": torch.cat(future),
            "action": actions[torch.from_numpy(windows.action)],
        },
        words=ids[torch.from_numpy(frames.stretch)],
        proprioception=normalised(statistics["proprioception"], frames.proprioception),
    )
