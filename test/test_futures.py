"""The scores of predicted frames."""

from pathlib import Path

import pytest
import torch
from tiny import tiny_checkpoint, tiny_frames

from wam_core.errors import ContractError
from wam_core.evaluation.futures import score_futures
from wam_core.presets import load_preset, preset_names
from wam_core.training.pictures import save_future_picture


def test_only_recorded_futures_are_scored() -> None:
    """Past an episode's end the last frame repeated, and the copied frame scored its 60 dB."""
    torch.manual_seed(0)
    checkpoint, frames = tiny_checkpoint(), tiny_frames(episodes=3, length=20)
    scores = score_futures(checkpoint, frames, stride=2, seed=0)
    # A horizon of 16 steps fits from steps 0 and 2 of an episode of 20.
    assert scores.windows == 3 * 2 and scores.episodes == 3
    assert max(scores.psnr_copy) < 60.0
    assert len(scores.psnr) == len(scores.psnr_vae) == len(scores.ssim_copy) == 4


@pytest.mark.parametrize("name", [n for n in preset_names() if load_preset(n).futures()])
def test_every_preset_that_makes_pictures_is_scored_and_drawn(name: str, tmp_path: Path) -> None:
    """Training ended in its first report, for presets that look at more than one frame of one substrate."""
    checkpoint, frames = tiny_checkpoint(name), tiny_frames(episodes=2, length=20)
    save_future_picture(checkpoint, frames, tmp_path / "futures.png")
    pictured = any(checkpoint.preset.substrates[g.substrate].shows == "video" for g in checkpoint.preset.futures())
    assert (tmp_path / "futures.png").exists() == pictured
    if pictured:
        scores = score_futures(checkpoint, frames, stride=3, seed=0)
        assert scores.windows == 2 * len(range(0, 20 - checkpoint.preset.horizon, 3))
        assert 1 <= len(scores.psnr) == len(scores.psnr_copy) <= checkpoint.preset.clip.instants
    else:
        with pytest.raises(ContractError, match="generates video"):
            score_futures(checkpoint, frames, stride=3, seed=0)


def test_windows_begin_at_the_start_of_their_episode() -> None:
    """Every n-th row of the whole set was taken, so that what was scored depended on the lengths of other episodes."""
    checkpoint, frames = tiny_checkpoint(), tiny_frames(episodes=2, length=19)
    assert score_futures(checkpoint, frames, stride=3, seed=0).windows == 2
    assert score_futures(checkpoint, frames.select([1]), stride=3, seed=0).windows == 1
