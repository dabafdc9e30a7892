"""Training of the small video VAE on recorded camera images."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from wam_core.data.frames import TrainingFrames, Windows
from wam_core.substrates.video_vae import VaeSize, VideoVae, to_video, vae_loss

KL_WEIGHT = 1e-3
LEARNING_RATE = 1e-3
CLIPS = 8


def train_vae(
    size: VaeSize,
    frames: TrainingFrames,
    windows: Windows,
    steps: int,
    seed: int,
    report: Callable[[int, float], None],
) -> VideoVae:
    """Train on the clips that ``windows`` are of ``frames``; the latent statistics are measured at the end.

    Args:
        report: called with (step, loss).
    """
    torch.manual_seed(seed)
    vae = VideoVae(size)
    for part in (vae.encoder, vae.decoder):
        part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from torch's stubs
    images = torch.from_numpy(frames.images)
    rows = torch.from_numpy(windows.clip)
    rng = torch.Generator().manual_seed(seed)
    some = torch.randint(len(images), (2000,), generator=rng)
    background = to_video(images[some][:, None]).mean(dim=0)
    optimizer = torch.optim.AdamW(vae.parameters(), LEARNING_RATE, weight_decay=1e-4)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / steps))
        chosen = rows[torch.randint(len(rows), (CLIPS,), generator=rng)]
        with torch.autocast("cpu", torch.bfloat16):
            loss = vae_loss(vae, to_video(images[chosen]), background, rng, KL_WEIGHT)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        report(step + 1, float(loss.detach()))
    _measure_latents(vae, images, rows[torch.randint(len(rows), (512,), generator=rng)])
    return vae.eval()


@torch.no_grad()
def _measure_latents(vae: VideoVae, images: Tensor, rows: Tensor) -> None:
    means = torch.cat([vae.moments(to_video(images[r]))[0] for r in rows.split(16)])
    vae.latent_mean.copy_(means.mean(dim=(0, 2, 3, 4)))
    vae.latent_std.copy_(means.std(dim=(0, 2, 3, 4)))


def save_vae(vae: VideoVae, file: Path) -> None:
    """Weights and latent statistics as float32 safetensors, as a ``video_latent`` substrate reads them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({f"vae.{k}": v.contiguous() for k, v in vae.state_dict().items()}, file)
