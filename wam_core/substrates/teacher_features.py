"""Features of a published frozen encoder: what it sees now and will see at the end of the horizon (FLARE, DUST)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from wam_core.errors import ContractError
from wam_core.model.modalities import TokenShape
from wam_core.pretrained.teacher import Teacher, load_teacher
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec

#: Frames that are encoded at a time.
PART = 32


@dataclass(frozen=True)
class TeacherFeaturesSpec(SubstrateSpec):
    """``weights`` is the encoder by folder or name, no part of a checkpoint; ``rows`` and ``width`` are its features.

    ``pool`` x ``pool`` features make a token; camera stands beside camera. SigLIP's are the tokens that language models
    are shown pictures by.
    """

    axis = "Feature (VLM token)"
    shows = "features"

    kind: str
    weights: str
    rows: int
    width: int
    pool: int

    def shape(self, clip: Clip) -> TokenShape:
        if self.rows % self.pool:
            raise ContractError("substrate.pool", self.pool, f"a divisor of rows ({self.rows})")
        side = self.rows // self.pool
        return TokenShape(1, 1, (side, side * len(clip.layout.cameras)), self.width)

    def build(self, clip: Clip) -> Substrate:
        teacher = load_teacher(self.weights)
        if (teacher.rows, teacher.width, teacher.tubelet) != (self.rows, self.width, 1):
            found = (teacher.rows, teacher.width, teacher.tubelet)
            raise ContractError("teacher", found, f"rows, width and frames a feature {self.rows, self.width, 1}")
        return TeacherFeatures(self, clip, teacher)


class TeacherFeatures(Substrate):
    """Each token brought to zero mean and unit variance; ``decode`` gives float32 ``[M, 1, rows, cols, F]``."""

    def __init__(self, spec: TeacherFeaturesSpec, clip: Clip, teacher: Teacher) -> None:
        super().__init__()
        self.spec, self.clip, self.teacher = spec, clip, teacher

    @torch.no_grad()
    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        ends = rows[:, [0]] if rows.shape[1] == 1 else rows[:, [0, -1]]
        used, where = np.unique(ends, return_inverse=True)
        parts = torch.from_numpy(scenes.images[used]).split(PART)
        frames = torch.cat([self._frames(part) for part in parts])
        return frames[torch.from_numpy(where.reshape(ends.shape))].flatten(1, 2)

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        features: NDArray[np.float32] = future.unflatten(1, (1, *self.spec.shape(self.clip).grid)).numpy()
        return features

    def _frames(self, images: Tensor) -> Tensor:
        """``[N, tokens, F]`` of uint8 ``[N, H, W*, 3]``."""
        tiles = [
            self.teacher.features(images[:, None, top : top + high, left : left + wide])[:, 0]
            for top, left, high, wide in self.clip.layout.regions.values()
        ]
        joined = torch.cat(tiles, dim=2).permute(0, 3, 1, 2)
        pooled = F.avg_pool2d(joined, self.spec.pool).flatten(2).transpose(1, 2)
        return F.layer_norm(pooled, pooled.shape[-1:])
