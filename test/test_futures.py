"""The scores of predicted frames."""

import torch
from tiny import tiny_checkpoint, tiny_frames

from wam_core.evaluation.futures import score_futures


def test_only_recorded_futures_are_scored() -> None:
    """Past an episode's end the last frame repeated, and the copied frame scored its 60 dB."""
    torch.manual_seed(0)
    checkpoint, frames = tiny_checkpoint(), tiny_frames(episodes=3, length=20)
    scores = score_futures(checkpoint, frames, stride=2, seed=0)
    # A horizon of 16 steps fits from steps 0 and 2 of an episode of 20.
    assert scores.windows == 3 * 2 and scores.episodes == 3
    assert max(scores.psnr_copy) < 60.0
    assert len(scores.psnr) == len(scores.psnr_vae) == len(scores.ssim_copy) == 4


def test_windows_begin_at_the_start_of_their_episode() -> None:
    """Every n-th row of the whole set was taken, so that what was scored depended on the lengths of other episodes."""
    checkpoint, frames = tiny_checkpoint(), tiny_frames(episodes=2, length=19)
    assert score_futures(checkpoint, frames, stride=3, seed=0).windows == 2
    assert score_futures(checkpoint, frames.select([1]), stride=3, seed=0).windows == 1
