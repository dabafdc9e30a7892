"""Affordance: a map of where something is going to happen (AIM's spatial value map, PALM's motion region)."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.model.modalities import TokenShape
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid


@dataclass(frozen=True)
class MotionRegionSpec(SubstrateSpec):
    """One value for ``cell`` x ``cell`` pixels; ``patch`` is the side of a token in cells."""

    axis = "Affordance"
    shows = "heatmap"

    kind: str
    cell: int
    patch: int

    def shape(self, clip: Clip) -> TokenShape:
        return TokenShape(0, 1, token_grid(clip, self.cell * self.patch), self.patch**2, self.patch)

    def build(self, clip: Clip) -> Substrate:
        return MotionRegion(self, clip)


class MotionRegion(Substrate):
    """How much each place will change within the horizon; ``decode`` gives float32 ``[M, 1, H, W*]`` in 0..1."""

    #: A change of luminance of this much counts in full (of 255).
    FULL = 64.0

    def __init__(self, spec: MotionRegionSpec, clip: Clip) -> None:
        super().__init__()
        self.spec = spec
        self.size = clip.layout.size

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        maps = np.stack([self._map(scenes.images[row]) for row in rows])
        return patchify(torch.from_numpy(2.0 * maps - 1.0)[:, None, None], self.spec.patch)

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        field = (1, self.size[0] // self.spec.cell, self.size[1] // self.spec.cell)
        values = (0.5 * (unpatchify(future, self.spec.patch, field) + 1.0)).clamp(0.0, 1.0)
        large: NDArray[np.float32] = values[:, 0].numpy().repeat(self.spec.cell, 2)
        return large.repeat(self.spec.cell, 3)

    def _map(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]).astype(np.float32)
        change = np.abs(grey[1:] - grey[:1]).max(axis=0) / self.FULL
        height, width = (side // self.spec.cell for side in self.size)
        small = cv2.resize(change, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(np.clip(small, 0.0, 1.0), np.float32)
