"""Affordance: where each camera will see the tool point, as a heat map."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.model.modalities import TokenShape
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid


@dataclass(frozen=True)
class ToolHeatmapSpec(SubstrateSpec):
    """One value for ``cell`` x ``cell`` pixels; ``patch`` is the side of a token in cells, ``spread`` the standard
    deviation of the peak in cells."""

    axis = "Affordance"
    shows = "heatmap"
    channels = ("proprioception",)

    kind: str
    cell: int
    patch: int
    spread: float

    def shape(self, clip: Clip) -> TokenShape:
        grid = token_grid(clip, self.cell * self.patch)
        return TokenShape(0, clip.instants, grid, self.patch**2, self.patch)

    def build(self, clip: Clip) -> Substrate:
        return ToolHeatmap(self, clip)


class ToolHeatmap(Substrate):
    """A peak of height 1 where the tool point is, by the robot's own kinematics; none in a camera that it is out of.

    Features are -1..1; ``decode`` gives float32 ``[M, instants, H, W*]`` in 0..1.
    """

    def __init__(self, spec: ToolHeatmapSpec, clip: Clip) -> None:
        super().__init__()
        self.spec, self.size = spec, clip.layout.size
        self.geometry = clip.geometry()

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        states = scenes.channel("proprioception").astype(np.float64)
        maps = np.stack([self._maps(states[row[1:]]) for row in rows])
        return patchify(torch.from_numpy(2.0 * maps - 1.0)[:, None], self.spec.patch)

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        field = (1, self.size[0] // self.spec.cell, self.size[1] // self.spec.cell)
        values = (0.5 * (unpatchify(future, self.spec.patch, field) + 1.0)).clamp(0.0, 1.0)
        large: NDArray[np.float32] = values[:, 0].float().numpy().repeat(self.spec.cell, 2)
        return large.repeat(self.spec.cell, 3)

    def _maps(self, states: NDArray[np.float64]) -> NDArray[np.float32]:
        """``[T, h, w]`` in 0..1 of proprioception ``[T, D]``."""
        cell = self.spec.cell
        made = np.zeros((len(states), *(side // cell for side in self.size)), np.float32)
        for name, view in self.geometry.views.items():
            top, left, height, width = (side // cell for side in view.region)
            pixels = self.geometry.project(name, states[:, None, :3], states)[0][:, 0]
            x, y = np.moveaxis((pixels + 0.5) / cell - 0.5, -1, 0)[..., None, None]
            rows, columns = np.mgrid[top : top + height, left : left + width]
            square = ((columns - x) ** 2 + (rows - y) ** 2) / self.spec.spread**2
            inside = (x > left - 0.5) & (x < left + width - 0.5) & (y > top - 0.5) & (y < top + height - 0.5)
            peaks = np.where(inside, np.exp(-0.5 * np.where(inside, square, 0.0)), 0.0)
            made[:, top : top + height, left : left + width] = peaks
        return made
