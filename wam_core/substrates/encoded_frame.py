"""Features of a frozen encoder: what it will see at the end of the horizon (FLARE's teacher)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.model.modalities import TokenShape
from wam_core.substrates.patches import patchify
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid
from wam_core.substrates.video_vae import SPACE_STRIDE, VaeSize, VideoVae, to_video

#: Frames that are encoded at a time.
PART = 64


@dataclass(frozen=True)
class EncodedFrameSpec(SubstrateSpec):
    """``latent_channels`` and ``width`` size the VAE's encoder; ``patch`` is the side of a token in its features."""

    axis = "Feature (teacher)"
    shows = "features"

    kind: str
    latent_channels: int
    width: int
    patch: int

    @property
    def vae(self) -> VaeSize:
        return VaeSize(self.latent_channels, self.width)

    def shape(self, clip: Clip) -> TokenShape:
        grid = token_grid(clip, SPACE_STRIDE * self.patch)
        return TokenShape(0, 1, grid, self.latent_channels * self.patch**2, self.patch)

    def build(self, clip: Clip) -> Substrate:
        return EncodedFrame(self, self.shape(clip).grid)


class EncodedFrame(Substrate):
    """The last predicted instant alone through the VAE's encoder; ``decode`` gives float32 ``[M, 1, h, w, F]``."""

    def __init__(self, spec: EncodedFrameSpec, grid: tuple[int, ...]) -> None:
        super().__init__()
        self.spec = spec
        self.grid = grid
        self.vae = VideoVae(spec.vae)

    @torch.no_grad()
    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        used, where = np.unique(rows[:, -1], return_inverse=True)
        frames = torch.from_numpy(scenes.images[used])
        latents = torch.cat([self.vae.encode(to_video(part[:, None])) for part in frames.split(PART)])
        return patchify(latents, self.spec.patch)[torch.from_numpy(where)]

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        features: NDArray[np.float32] = future.unflatten(1, (1, *self.grid)).numpy()
        return features
