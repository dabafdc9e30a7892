"""2D flow: where each part of the observed picture will have gone (Im2Flow2Act and its like, without pictures)."""

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
class OpticalFlowSpec(SubstrateSpec):
    """One flow vector for ``cell`` x ``cell`` pixels; ``patch`` is the side of a token in cells."""

    axis = "Geometric"
    shows = "flow"

    kind: str
    cell: int
    patch: int

    def shape(self, clip: Clip) -> TokenShape:
        grid = token_grid(clip, self.cell * self.patch)
        return TokenShape(0, clip.instants, grid, 2 * self.patch**2, self.patch)

    def build(self, clip: Clip) -> Substrate:
        return OpticalFlow(self, clip)


class OpticalFlow(Substrate):
    """Dense flow (Farneback 2003) from the observed frame to each predicted instant, camera by camera.

    ``decode`` gives float32 ``[M, instants, H, W*, 2]``: pixels of the laid-out picture, x to the right, y down.
    """

    #: This many pixels are one unit of a feature.
    UNIT = 2.0
    #: Features lie within this.
    RANGE = 5.0

    def __init__(self, spec: OpticalFlowSpec, clip: Clip) -> None:
        super().__init__()
        self.spec = spec
        self.clip = clip

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        fields = np.stack([self._clip_flow(scenes.images[row]) for row in rows])
        return patchify(torch.from_numpy(fields).permute(0, 4, 1, 2, 3), self.spec.patch)

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        height, width = self.clip.layout.size
        field = (2, height // self.spec.cell, width // self.spec.cell)
        flow = self.UNIT * unpatchify(future, self.spec.patch, field)
        large: NDArray[np.float32] = flow.permute(0, 2, 3, 4, 1).numpy().repeat(self.spec.cell, 2)
        return large.repeat(self.spec.cell, 3)

    def _clip_flow(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """``[instants, h, w, 2]`` features of ``frames [1 + instants, H, W*, 3]``."""
        height, width = self.clip.layout.size
        cell = self.spec.cell
        out = np.zeros((len(frames) - 1, height // cell, width // cell, 2), np.float32)
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        for top, left, high, wide in self.clip.layout.regions.values():
            first, *later = (np.ascontiguousarray(g[top : top + high, left : left + wide]) for g in grey)
            for k, image in enumerate(later):
                flow = cv2.calcOpticalFlowFarneback(first, image, None, 0.5, 3, 9, 2, 5, 1.1, 0)  # type: ignore[call-overload]
                small = flow.reshape(high // cell, cell, wide // cell, cell, 2).mean(axis=(1, 3))
                out[k, top // cell : (top + high) // cell, left // cell : (left + wide) // cell] = small
        return np.clip(out / self.UNIT, -self.RANGE, self.RANGE)
