"""Decoded pixels: the future as small pictures, generated as they are seen (UniPi's first stage, AVDC, VLP)."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.model.modalities import TokenShape
from wam_core.preprocess.images import to_pixels
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid


@dataclass(frozen=True)
class PixelsSpec(SubstrateSpec):
    """Pictures are made smaller by ``shrink``; ``patch`` is the side of a token in the pixels that are left."""

    axis = "Pixel (decoded)"
    shows = "video"

    kind: str
    shrink: int
    patch: int

    def shape(self, clip: Clip) -> TokenShape:
        grid = token_grid(clip, self.shrink * self.patch)
        return TokenShape(1, clip.instants, grid, 3 * self.patch**2, self.patch)

    def build(self, clip: Clip) -> Substrate:
        return Pixels(self, clip)


class Pixels(Substrate):
    """RGB in about [-2, 2]; ``decode`` gives uint8 RGB ``[M, instants, H, W*, 3]``."""

    #: Pictures of the cell are not far from grey: stretched, they have about the variance of noise.
    CONTRAST = 2.0

    def __init__(self, spec: PixelsSpec, clip: Clip) -> None:
        super().__init__()
        self.spec = spec
        self.size = clip.layout.size

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        used, where = np.unique(rows, return_inverse=True)
        height, width = (side // self.spec.shrink for side in self.size)
        small = [cv2.resize(scenes.images[row], (width, height), interpolation=cv2.INTER_AREA) for row in used]
        frames = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        clips = frames[torch.from_numpy(where.reshape(rows.shape))]
        return patchify(self.CONTRAST * clips.transpose(1, 2), self.spec.patch)

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        height, width = self.size
        field = (3, height // self.spec.shrink, width // self.spec.shrink)
        frames = unpatchify(future, self.spec.patch, field).transpose(1, 2) / self.CONTRAST
        large = torch.nn.functional.interpolate(frames.flatten(0, 1), self.size, mode="bilinear", align_corners=False)
        pixels: NDArray[np.uint8] = to_pixels(large.unflatten(0, frames.shape[:2]).numpy())
        return pixels
