"""Pixel latents: the future as latent frames of a video VAE (UniPi to Fast-WAM)."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.modalities import TokenShape
from wam_core.model.runtimes.runtime import Compute
from wam_core.preprocess.images import to_pixels
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid
from wam_core.substrates.video_vae import SPACE_STRIDE, TIME_STRIDE, VaeSize, VideoVae, to_video

#: Clips and frames that are encoded at a time.
PART = 64


@dataclass(frozen=True)
class VideoLatentSpec(SubstrateSpec):
    """``latent_channels`` and ``width`` size the VAE, ``patch`` is the side of a token in latent pixels."""

    axis = "Pixel (latent)"
    shows = "video"
    goes_on = True

    kind: str
    latent_channels: int
    width: int
    patch: int

    @property
    def vae(self) -> VaeSize:
        return VaeSize(self.latent_channels, self.width)

    def shape(self, clip: Clip) -> TokenShape:
        if clip.instants % TIME_STRIDE:
            raise ContractError("frame_stride", clip.stride, f"a multiple of {TIME_STRIDE} predicted instants")
        grid = token_grid(clip, SPACE_STRIDE * self.patch)
        features = self.latent_channels * self.patch**2
        return TokenShape(1, clip.instants // TIME_STRIDE, grid, features, self.patch)

    def build(self, clip: Clip) -> Substrate:
        return VideoLatent(self, clip)


class VideoLatent(Substrate):
    """Frames through a :class:`VideoVae`; ``decode`` gives uint8 RGB ``[M, instants, H, W*, 3]``."""

    def __init__(self, spec: VideoLatentSpec, clip: Clip) -> None:
        super().__init__()
        self.spec = spec
        height, width = clip.layout.size
        self.field = (spec.latent_channels, height // SPACE_STRIDE, width // SPACE_STRIDE)
        self.vae = VideoVae(spec.vae)
        self._computed: Compute | None = None

    def computed(self, part: Callable[[Compute], Compute]) -> Substrate:
        before = self._computed or self._present
        if (found := part(before)) == before:
            return self
        other = copy(self)
        other._computed = found
        return other

    def _present(self, images: Tensor) -> Tensor:
        """uint8 ``[M, H, W*, 3]`` to features ``[M, N, F]``."""
        features = self.vae.encoder(to_video(images[:, None])[:, :, 0])
        return patchify(self.vae.normalise(self.vae.moments_of_features(features[:, None])[0]), self.spec.patch)

    @torch.no_grad()
    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        if rows.shape[1] == 1:
            seen = torch.from_numpy(scenes.images[rows[:, 0]])
            return torch.cat([(self._computed or self._present)(part) for part in seen.split(PART)])
        used, where = np.unique(rows, return_inverse=True)
        images = torch.from_numpy(scenes.images[used])
        # A frame is in many clips: its convolutions run once, only the temporal mixing runs per clip.
        frames = torch.cat([self.vae.encoder(to_video(part[:, None])[:, :, 0]) for part in images.split(PART)])
        clips = torch.from_numpy(where.reshape(rows.shape)).split(PART)
        latents = [self.vae.normalise(self.vae.moments_of_features(frames[part])[0]) for part in clips]
        return torch.cat([patchify(part, self.spec.patch) for part in latents])

    @torch.no_grad()
    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        latents = unpatchify(torch.cat((present, future), dim=1), self.spec.patch, self.field)
        pixels: NDArray[np.uint8] = to_pixels(self.vae.decode(latents)[:, :, 1:].transpose(1, 2).numpy())
        return pixels
