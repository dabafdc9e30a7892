"""3D flow: where the points of the scene are, and where each will have gone (PointWorld)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.model.modalities import TokenShape
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.scene_motion import SceneMotion
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid

#: This many m of motion are one unit of a feature.
UNIT = 0.05
#: Features lie within this.
RANGE = 5.0
#: Points are given from here (m, base frame), this many m to a unit.
CENTRE, REACH = np.array([0.5, 0.0, 0.1]), 0.3


@dataclass(frozen=True)
class PointFlowSpec(SubstrateSpec):
    """One point for ``cell`` x ``cell`` pixels; ``patch`` is the side of a token in points."""

    axis = "Geometric"
    shows = "scene_flow"
    channels = SceneMotion.channels

    kind: str
    cell: int
    patch: int

    @property
    def present_channels(self) -> tuple[str, ...]:
        return ("proprioception", "depth")

    def shape(self, clip: Clip) -> TokenShape:
        grid = token_grid(clip, self.cell * self.patch)
        return TokenShape(1, clip.instants, grid, 4 * self.patch**2, self.patch)

    def build(self, clip: Clip) -> Substrate:
        return PointFlow(self, clip)


class PointFlow(Substrate):
    """The present is where points are; the future, how far each has moved since, in the base frame.

    ``decode`` gives float32 ``[M, instants, H, W*, 4]``: displacement x y z (m) and how sure it is known, 0..1: what
    leaves the picture on an unknown link of the arm, or is too far to be seen, is not.
    """

    def __init__(self, spec: PointFlowSpec, clip: Clip) -> None:
        super().__init__()
        self.spec = spec
        self.size = clip.layout.size
        self._motion = SceneMotion(clip, spec.cell)

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        fields = np.stack([self._field(scenes, row) for row in rows])
        return patchify(torch.from_numpy(fields).permute(0, 4, 1, 2, 3), self.spec.patch)

    def _field(self, scenes: Scenes, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """``[T, h, w, 4]`` features of one clip, or of the observed instant alone."""
        start = self._motion.start(scenes, rows[0])
        present = np.concatenate(((start - CENTRE) / REACH, np.ones((*start.shape[:2], 1))), axis=-1)[None]
        if len(rows) > 1:
            motion = self._motion.follow(scenes, rows)
            moved = (motion.points[1:] - motion.points[0]) / UNIT
            known = motion.known[1:, ..., None]
            later = np.concatenate((np.where(known, moved, 0.0), np.where(known, 1.0, -1.0)), axis=-1)
            present = np.concatenate((present, later))
        nowhere = ~np.isfinite(start[..., 2])
        present[0, nowhere] = (0.0, 0.0, 0.0, -1.0)
        return np.clip(present, -RANGE, RANGE).astype(np.float32)

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        height, width = (side // self.spec.cell for side in self.size)
        field = unpatchify(future, self.spec.patch, (4, height, width)).permute(0, 2, 3, 4, 1)
        scale = torch.tensor([UNIT, UNIT, UNIT, 0.5])
        values = field * scale + torch.tensor([0.0, 0.0, 0.0, 0.5])
        values[..., 3].clamp_(0.0, 1.0)
        large: NDArray[np.float32] = values.float().numpy().repeat(self.spec.cell, 2)
        return large.repeat(self.spec.cell, 3)
