"""How well predicted frames match recorded ones, against the frame that merely stays."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from wam_core.data.frames import TrainingFrames
from wam_core.errors import ContractError
from wam_core.model.groups import TokenGroup
from wam_core.training.batches import normalised, observed_features
from wam_core.training.checkpoint import Checkpoint

#: PSNR in dB and SSIM.
Scores = tuple[float, float]


@dataclass(frozen=True)
class FrameScores:
    """Mean over windows, per predicted frame ``[T]``: PSNR in dB and SSIM of the prediction and of the copied frame.

    ``psnr_gain_ci`` is the 95 % bootstrap interval (over episodes) of the mean PSNR difference.
    """

    psnr: list[float]
    psnr_copy: list[float]
    psnr_vae: list[float]
    ssim: list[float]
    ssim_copy: list[float]
    psnr_gain: float
    psnr_gain_ci: tuple[float, float]
    windows: int
    episodes: int


@torch.no_grad()
def score_futures(checkpoint: Checkpoint, frames: TrainingFrames, stride: int, seed: int) -> FrameScores:
    """Predict from every ``stride``-th step of each episode of ``frames`` whose whole future was recorded."""
    preset = checkpoint.preset
    group = next((g for g in preset.futures() if preset.substrates[g.substrate].shows == "video"), None)
    if group is None:
        raise ContractError("model", preset.name, "a preset that generates video")
    windows = frames.windows(preset.horizon, preset.frame_stride)
    begins, ends = frames.bounds[frames.stretch].T
    rows = np.arange(len(ends))
    # Past the end of an episode the last frame repeats: nothing that was recorded, and nothing to predict.
    chosen = np.flatnonzero(((rows - begins) % stride == 0) & (rows + preset.horizon < ends))
    if not len(chosen):
        raise ContractError("frames", len(ends), f"an episode of more than {preset.horizon} steps")
    scores: list[list[tuple[Scores, Scores, Scores]]] = []
    for row in chosen:
        predicted, through_vae = _predict(checkpoint, group, frames, windows.clip[row], seed)
        start, future = frames.images[row], frames.images[windows.frame[row]]
        # Some foresee every instant, some every other or the last alone.
        truths = future[:: -(preset.clip.instants // len(predicted))][::-1]
        triples = zip(truths, predicted, through_vae, strict=True)
        scores.append([(_scores(t, p), _scores(t, start), _scores(t, v)) for t, p, v in triples])
    made, copied, coded = np.moveaxis(np.array(scores), 2, 0)
    gain = (made[:, :, 0] - copied[:, :, 0]).mean(axis=1)
    return FrameScores(
        psnr=made[:, :, 0].mean(axis=0).tolist(),
        psnr_copy=copied[:, :, 0].mean(axis=0).tolist(),
        psnr_vae=coded[:, :, 0].mean(axis=0).tolist(),
        ssim=made[:, :, 1].mean(axis=0).tolist(),
        ssim_copy=copied[:, :, 1].mean(axis=0).tolist(),
        psnr_gain=float(gain.mean()),
        psnr_gain_ci=_bootstrap(gain, frames.stretch[chosen], seed),
        windows=len(chosen),
        episodes=len(frames.bounds),
    )


def _predict(
    checkpoint: Checkpoint, group: TokenGroup, frames: TrainingFrames, clip: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Imagined frames of the clip's rows, and the recorded ones as the substrate holds them, ``[T, H, W, 3]`` each."""
    model, video, row = checkpoint.model, checkpoint.substrates[group.substrate], int(clip[0])
    whole = video.encode(frames.scenes, clip[None])
    first = whole[:, : model.spec.shapes[group.substrate].tokens("present")]
    words = model.text.tokenize(frames.instructions[frames.stretch[row]])[None]
    proprioception = normalised(checkpoint.statistics["proprioception"], frames.proprioception[row])[None]
    made = model.generate(
        observed_features(checkpoint.preset, checkpoint.substrates, frames, clip[:1]),
        model.context(words, proprioception),
        [group.name],
        checkpoint.preset.steps,
        torch.Generator().manual_seed(seed * 1_000_003 + row),
    )
    imagined, coded = (video.decode(first, z)[0] for z in (made[group.name], whole[:, first.shape[1] :]))
    return imagined.astype(np.uint8), coded.astype(np.uint8)


def _scores(truth: NDArray[np.uint8], other: NDArray[np.uint8]) -> Scores:
    if np.array_equal(truth, other):  # PSNR is infinite; an arm at rest is no evidence either way
        return 60.0, 1.0
    ssim = structural_similarity(truth, other, channel_axis=-1)
    return min(60.0, peak_signal_noise_ratio(truth, other)), float(ssim)


def _bootstrap(values: NDArray[np.float64], episode: NDArray[np.int64], seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    names = np.unique(episode)
    by_episode = [values[episode == n] for n in names]
    means = [
        np.concatenate([by_episode[i] for i in rng.integers(len(names), size=len(names))]).mean() for _ in range(1000)
    ]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
