"""What a training run shows: reconstructions of the VAE, and imagined beside recorded futures."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from wam_core.data.frames import TrainingFrames
from wam_core.preprocess.images import to_pixels
from wam_core.preset import Preset
from wam_core.substrates.video_vae import VideoVae, to_video
from wam_core.training.batches import normalised, observed_features
from wam_core.training.checkpoint import Checkpoint

ROWS = 6
ZOOM = 2


@torch.no_grad()
def save_vae_picture(preset: Preset, frames: TrainingFrames, vae: VideoVae, file: Path) -> None:
    """Rows of a clip and, below each, its reconstruction."""
    clips = _clips(preset, frames)
    decoded = vae.decode(vae.encode(to_video(torch.from_numpy(clips))))
    _save(file, clips, to_pixels(decoded.transpose(1, 2).numpy()))


@torch.no_grad()
def save_future_picture(checkpoint: Checkpoint, frames: TrainingFrames, file: Path) -> None:
    """Rows of a recorded clip and, below each, the observed frame again followed by the imagined ones."""
    preset, model = checkpoint.preset, checkpoint.model
    group = next((g for g in preset.futures() if preset.substrates[g.substrate].shows == "video"), None)
    if group is None:
        return
    clips, rows = _clips(preset, frames), _rows(preset, frames)
    video = checkpoint.substrates[group.substrate]
    first = video.encode(frames.scenes, rows[:, :1])
    observed = observed_features(preset, checkpoint.substrates, frames, rows[:, 0])
    words = torch.stack([model.text.tokenize(frames.instructions[frames.stretch[r]]) for r in rows[:, 0]])
    proprioception = normalised(checkpoint.statistics["proprioception"], frames.proprioception[rows[:, 0]])
    context, rng = model.context(words, proprioception), torch.Generator().manual_seed(0)
    made = model.generate(observed, context, [group.name], preset.steps, rng)
    shown = video.decode(first, made[group.name])
    _save(file, clips, np.concatenate((clips[:, :1], shown.astype(np.uint8)), axis=1))


def _rows(preset: Preset, frames: TrainingFrames) -> NDArray[np.int64]:
    """``[ROWS, T]`` row numbers, from the middle of episodes spread over the data."""
    windows = frames.windows(preset.horizon, preset.frame_stride)
    middles = frames.bounds.mean(axis=1).astype(int)
    return windows.clip[middles[np.linspace(0, len(middles) - 1, ROWS).astype(int)]]


def _clips(preset: Preset, frames: TrainingFrames) -> NDArray[np.uint8]:
    return frames.images[_rows(preset, frames)]


def _save(file: Path, above: NDArray[np.uint8], below: NDArray[np.uint8]) -> None:
    """Two ``[ROWS, T, H, W, 3]`` clips as an image, row under row."""
    strips = [np.concatenate(list(clip), axis=1) for pair in zip(above, below, strict=True) for clip in pair]
    image = np.concatenate(strips, axis=0)[:, :, ::-1]
    cv2.imwrite(str(file), cv2.resize(image, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_NEAREST))
