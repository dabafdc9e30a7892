"""The Wan video VAE through ``diffusers``: pixels to normalised latents and back, frozen."""

from typing import Any

import torch
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.pretrained.library import loaded, place


class WanVae:
    """``AutoencoderKLWan`` with its per-channel latent statistics applied.

    Attributes:
        channels: of the latents. time_stride, space_stride: frames and pixels to one latent; the first frame alone
            makes one latent frame.
    """

    def __init__(self, vae: Any) -> None:
        self.vae = vae.eval().requires_grad_(False)
        self.channels = int(vae.config.z_dim)
        self.time_stride = int(vae.config.scale_factor_temporal)
        self.space_stride = int(vae.config.scale_factor_spatial)
        shape = (1, self.channels, 1, 1, 1)
        self._mean = torch.tensor(vae.config.latents_mean).view(shape)
        self._std = torch.tensor(vae.config.latents_std).view(shape)

    @torch.no_grad()
    def encode(self, video: Tensor) -> Tensor:
        """``[B, 3, T, H, W]`` in [-1, 1] to latents ``[B, C, 1 + (T - 1) / time_stride, H / stride, W / stride]``.

        The mode of the posterior, to zero mean and unit variance per channel, in float32.

        Raises:
            ContractError: T, H or W does not fit the strides.
        """
        frames, height, width = video.shape[2:]
        if frames % self.time_stride != 1 or height % self.space_stride or width % self.space_stride:
            expected = f"T % {self.time_stride} == 1 and H, W multiples of {self.space_stride}"
            raise ContractError("video", (frames, height, width), expected)
        latents = self.vae.encode(video.to(self.vae.device, self.vae.dtype)).latent_dist.mode().float()
        return (latents - self._mean.to(latents.device)) / self._std.to(latents.device)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Inverse of :meth:`encode`: float32 pixels in [-1, 1]."""
        z = latents.float() * self._std.to(latents.device) + self._mean.to(latents.device)
        return self.vae.decode(z.to(self.vae.device, self.vae.dtype)).sample.float().clamp(-1.0, 1.0)


def load_vae(name_or_path: str, dtype: torch.dtype = torch.float32) -> WanVae:
    """A VAE by folder (its own, or a pipeline's) or name.

    Raises:
        ContractError: not found, or ``diffusers`` is not installed.
    """

    def load() -> WanVae:
        from diffusers import AutoencoderKLWan

        source = place(name_or_path, "vae")
        return WanVae(AutoencoderKLWan.from_pretrained(source, torch_dtype=dtype, use_safetensors=True))

    return loaded("vae", name_or_path, load)
