"""Affordance: where in the picture something is, or is going to happen, as a map over it (AIM, PALM)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.errors import look_up
from wam_core.model.modalities import TokenShape
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid

Field = NDArray[np.float32]
#: A change of luminance of this much counts in full (of 255).
FULL = 64.0


def _motion(scenes: Scenes, rows: NDArray[np.int64]) -> Field:
    frames = [cv2.cvtColor(scenes.images[row], cv2.COLOR_RGB2GRAY).astype(np.float32) for row in rows]
    return np.abs(np.stack(frames[1:]) - frames[0]).max(axis=0) / FULL


def _object(scenes: Scenes, rows: NDArray[np.int64]) -> Field:
    return scenes.channel("object")[rows[0]].astype(np.float32)


def _contact(scenes: Scenes, rows: NDArray[np.int64]) -> Field:
    touched = scenes.channel("contact")[rows].astype(np.float32)
    masks = scenes.channel("object")[rows].astype(np.float32)
    return np.asarray((masks * touched[:, None, None]).max(axis=0), np.float32)


def _placement(scenes: Scenes, rows: NDArray[np.int64]) -> Field:
    return scenes.channel("object")[rows[-1]].astype(np.float32)


class Map(NamedTuple):
    """``draw`` gives ``[H, W*]`` in 0..1 of the rows ``[1 + instants]`` of a clip, from pictures and ``channels``."""

    draw: Callable[[Scenes, NDArray[np.int64]], Field]
    channels: tuple[str, ...] = ()


#: What a map can be of. All but motion is about the object of the task: where it is now, where it is while the tool
#: touches something within the horizon (nowhere if nothing is touched), and where it is at the end.
MAPS: Mapping[str, Map] = {
    "motion": Map(_motion),
    "object": Map(_object, ("object",)),
    "contact": Map(_contact, ("object", "contact")),
    "placement": Map(_placement, ("object",)),
}


@dataclass(frozen=True)
class AffordanceMapSpec(SubstrateSpec):
    """``of`` is a key of :data:`MAPS`; one value for ``cell`` x ``cell`` pixels, ``patch`` is the side of a token in
    cells."""

    axis = "Affordance"
    shows = "heatmap"

    kind: str
    of: str
    cell: int
    patch: int

    @property
    def channels(self) -> tuple[str, ...]:  # type: ignore[override]
        return look_up(MAPS, self.of, "substrate.of").channels

    def shape(self, clip: Clip) -> TokenShape:
        look_up(MAPS, self.of, "substrate.of")
        return TokenShape(0, 1, token_grid(clip, self.cell * self.patch), self.patch**2, self.patch)

    def build(self, clip: Clip) -> Substrate:
        return AffordanceMap(self, clip)


class AffordanceMap(Substrate):
    """One map for the whole horizon, by cells, -1..1; ``decode`` gives float32 ``[M, 1, H, W*]`` in 0..1."""

    def __init__(self, spec: AffordanceMapSpec, clip: Clip) -> None:
        super().__init__()
        self.spec = spec
        self.size = clip.layout.size

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        draw = MAPS[self.spec.of].draw
        maps = np.stack([self._small(draw(scenes, row)) for row in rows])
        return patchify(torch.from_numpy(2.0 * maps - 1.0)[:, None, None], self.spec.patch)

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        field = (1, self.size[0] // self.spec.cell, self.size[1] // self.spec.cell)
        values = (0.5 * (unpatchify(future, self.spec.patch, field) + 1.0)).clamp(0.0, 1.0)
        large: Field = values[:, 0].numpy().repeat(self.spec.cell, 2)
        return large.repeat(self.spec.cell, 3)

    def _small(self, field: Field) -> Field:
        height, width = (side // self.spec.cell for side in self.size)
        small = cv2.resize(field, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(np.clip(small, 0.0, 1.0), np.float32)
