"""A small causal video VAE: the first frame alone becomes one latent frame, each following four become one.

Same shape contract as the Wan VAE (causal in time, time stride 4, ``T % 4 == 1``) at a size that trains on a CPU in
minutes: spatial stride 8, temporal mixing by one causal convolution in the latent space.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wam_core.errors import ContractError

TIME_STRIDE = 4
SPACE_STRIDE = 8


@dataclass(frozen=True)
class VaeSize:
    """Latent channels and the width of the convolutions at stride 4 (doubled at stride 8)."""

    latent_channels: int
    width: int


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class VideoVae(nn.Module):
    """Pixels in [-1, 1] to latents of zero mean and unit variance per channel, and back."""

    def __init__(self, size: VaeSize) -> None:
        super().__init__()
        w, c = size.width, size.latent_channels
        self.size = size
        self.encoder = nn.Sequential(
            nn.Conv2d(3, w, 8, stride=4, padding=2),
            _Residual(w),
            nn.Conv2d(w, 2 * w, 4, stride=2, padding=1),
            _Residual(2 * w),
            _Residual(2 * w),
        )
        self.to_latent = nn.Conv3d(2 * w, 2 * c, (TIME_STRIDE + 1, 1, 1), stride=(TIME_STRIDE, 1, 1))
        self.from_first = nn.Conv2d(c, 2 * w, 1)
        self.from_later = nn.Conv2d(2 * c, TIME_STRIDE * 2 * w, 1)
        self.decoder = nn.Sequential(
            _Residual(2 * w),
            _Residual(2 * w),
            nn.Conv2d(2 * w, 4 * w, 3, padding=1),
            nn.PixelShuffle(2),
            _Residual(w),
            nn.Conv2d(w, 3 * 4 * 4, 3, padding=1),
            nn.PixelShuffle(4),
        )
        self.latent_mean: Tensor
        self.latent_std: Tensor
        self.register_buffer("latent_mean", torch.zeros(c))
        self.register_buffer("latent_std", torch.ones(c))

    def moments(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance ``[B, C, 1 + (T - 1) / 4, H / 8, W / 8]`` of ``video`` ``[B, 3, T, H, W]``.

        Raises:
            ContractError: ``T % 4 != 1`` or H, W not multiples of 8.
        """
        b, _, t, h, w = video.shape
        if t % TIME_STRIDE != 1 or h % SPACE_STRIDE or w % SPACE_STRIDE:
            raise ContractError("video", (t, h, w), "T % 4 == 1 and H, W multiples of 8")
        frames = self.encoder(video.transpose(1, 2).flatten(0, 1))
        return self.moments_of_features(frames.unflatten(0, (b, t)))

    def moments_of_features(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`moments`, from each frame's encoder output ``[B, T, 2 width, H / 8, W / 8]``."""
        if features.shape[1] == 1:
            # What is before the first frame is taken to be as it is: over it alone the convolution in time is a sum.
            weights = self.to_latent.weight.sum(dim=2)
            made = F.conv2d(features[:, 0], weights, self.to_latent.bias)[:, :, None]
        else:
            features = features.transpose(1, 2)
            padded = torch.cat((features[:, :, :1].expand(-1, -1, TIME_STRIDE, -1, -1), features), dim=2)
            made = self.to_latent(padded)
        mean, logvar = made.chunk(2, dim=1)
        return mean, logvar.clamp(-20.0, 10.0)

    def encode(self, video: Tensor) -> Tensor:
        """Normalised latent mean of ``video``."""
        return self.normalise(self.moments(video)[0])

    def normalise(self, mean: Tensor) -> Tensor:
        """Latent means to zero mean and unit variance per channel."""
        return (mean - self._mean()) / self._std()

    def decode(self, latents: Tensor) -> Tensor:
        """``[B, C, T', h, w]`` normalised latents to ``[B, 3, 1 + 4 (T' - 1), 8 h, 8 w]`` pixels."""
        return self.decode_moments(latents * self._std() + self._mean())

    def decode_moments(self, z: Tensor) -> Tensor:
        """Unnormalised latents to pixels."""
        b = len(z)
        parts = [self.from_first(z[:, :, 0])[:, None]]
        for k in range(1, z.shape[2]):
            later = self.from_later(torch.cat((z[:, :, k], z[:, :, k - 1]), dim=1))
            parts.append(later.unflatten(1, (TIME_STRIDE, -1)))
        frames = torch.cat(parts, dim=1)
        pixels = self.decoder(frames.flatten(0, 1))
        return pixels.unflatten(0, (b, -1)).transpose(1, 2)

    def _mean(self) -> Tensor:
        return self.latent_mean[:, None, None, None]

    def _std(self) -> Tensor:
        return self.latent_std[:, None, None, None]


def to_video(images: Tensor) -> Tensor:
    """uint8 ``[B, T, H, W, 3]`` to float ``[B, 3, T, H, W]`` in [-1, 1]."""
    return images.permute(0, 4, 1, 2, 3).float() / 127.5 - 1.0


def vae_loss(vae: VideoVae, video: Tensor, background: Tensor, rng: torch.Generator, kl_weight: float) -> Tensor:
    """Reconstruction plus KL, with what differs from the mean image weighted up.

    A tabletop scene is mostly background, and the few pixels of an object decide the task: absolute errors are
    weighted by ``1 + 4 * |video - background|`` (clipped at 1) so that small objects are not averaged away.

    Args:
        video: ``[B, 3, T, H, W]``. background: ``[3, 1, H, W]`` mean training frame.
    """
    mean, logvar = vae.moments(video)
    noise = torch.randn(mean.shape, generator=rng)
    decoded = vae.decode_moments(mean + noise * (0.5 * logvar).exp())
    weight = 1.0 + 4.0 * (video - background).abs().amax(dim=1, keepdim=True).clamp(max=1.0)
    kl = 0.5 * (mean**2 + logvar.exp() - 1.0 - logvar).mean()
    gradient = F.l1_loss(decoded.diff(dim=-1), video.diff(dim=-1)) + F.l1_loss(decoded.diff(dim=-2), video.diff(dim=-2))
    return (weight * (decoded - video).abs()).mean() + 0.5 * gradient + kl_weight * kl
