"""Pixel latents of the published Wan VAE (Wan 2.2, Fast-WAM), through the library that defines it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.modalities import TokenShape
from wam_core.preprocess.images import to_pixels
from wam_core.pretrained.vae import WanVae, load_vae
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid
from wam_core.substrates.video_vae import to_video

#: Frames that make one latent frame after the first.
TIME_STRIDE = 4


@dataclass(frozen=True)
class WanVideoSpec(SubstrateSpec):
    """``latent_channels`` and ``stride`` are the VAE's, ``patch`` is the side of a token in latent pixels.

    ``weights`` is the VAE by folder or name; it is no part of a checkpoint.
    """

    axis = "Pixel (latent)"
    shows = "video"
    goes_on = True

    kind: str
    latent_channels: int
    stride: int
    patch: int
    weights: str = ""

    def shape(self, clip: Clip) -> TokenShape:
        if clip.instants % TIME_STRIDE:
            raise ContractError("frame_stride", clip.stride, f"a multiple of {TIME_STRIDE} predicted instants")
        grid = token_grid(clip, self.stride * self.patch)
        return TokenShape(1, clip.instants // TIME_STRIDE, grid, self.latent_channels * self.patch**2, self.patch)

    def build(self, clip: Clip) -> Substrate:
        vae = load_vae(self.weights)
        found = (vae.channels, vae.space_stride, vae.time_stride)
        if found != (self.latent_channels, self.stride, TIME_STRIDE):
            expected = f"latent channels, space and time stride {self.latent_channels, self.stride, TIME_STRIDE}"
            raise ContractError("vae", found, expected)
        return WanVideo(self, clip, vae)


class WanVideo(Substrate):
    """Frames through a :class:`WanVae`; ``decode`` gives uint8 RGB ``[M, instants, H, W*, 3]``."""

    def __init__(self, spec: WanVideoSpec, clip: Clip, vae: WanVae) -> None:
        super().__init__()
        self.spec = spec
        height, width = clip.layout.size
        self.field = (spec.latent_channels, height // spec.stride, width // spec.stride)
        self.vae = vae

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        clips = [self.vae.encode(to_video(torch.from_numpy(scenes.images[row])[None])) for row in rows]
        return patchify(torch.cat(clips), self.spec.patch)

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        latents = unpatchify(torch.cat((present, future), dim=1), self.spec.patch, self.field)
        pixels: NDArray[np.uint8] = to_pixels(self.vae.decode(latents)[:, :, 1:].transpose(1, 2).cpu().numpy())
        return pixels
