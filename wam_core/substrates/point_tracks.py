"""2D tracks: where points of the observed picture are in each later one, and whether they are seen there."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.modalities import TokenShape
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.scene_motion import SceneMotion
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid

#: Where tracks come from.
TRACKERS: Mapping[str, str] = {
    "scene": "depth, the object's pose and the robot's kinematics",
    "pictures": "the pictures alone: pyramidal Lucas-Kanade, forth and back",
}
#: This many pixels are one unit of a feature.
UNIT = 4.0
#: Features lie within this.
RANGE = 5.0
#: A point that is tracked back to further than this (pixels) from where it began is lost.
RETURN = 1.0


@dataclass(frozen=True)
class PointTracksSpec(SubstrateSpec):
    """One point for ``cell`` x ``cell`` pixels; ``patch`` is the side of a token in points; ``tracker`` is a key of
    :data:`TRACKERS`."""

    axis = "Geometric"
    shows = "tracks"

    kind: str
    cell: int
    patch: int
    tracker: str

    @property
    def channels(self) -> tuple[str, ...]:  # type: ignore[override]
        return SceneMotion.channels if self.tracker == "scene" else ()

    def shape(self, clip: Clip) -> TokenShape:
        if self.tracker not in TRACKERS:
            raise ContractError("tracker", self.tracker, f"one of {', '.join(TRACKERS)}")
        grid = token_grid(clip, self.cell * self.patch)
        return TokenShape(0, clip.instants, grid, 3 * self.patch**2, self.patch)

    def build(self, clip: Clip) -> Substrate:
        return PointTracks(self, clip)


class PointTracks(Substrate):
    """``decode`` gives float32 ``[M, instants, H, W*, 3]``: how far the point of each cell has gone since the observed
    instant (pixels of the laid-out picture, x to the right, y down), and whether it is seen there, 0..1."""

    def __init__(self, spec: PointTracksSpec, clip: Clip) -> None:
        super().__init__()
        self.spec, self.clip = spec, clip
        self._motion = SceneMotion(clip, spec.cell) if spec.tracker == "scene" else None

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        fields = np.stack([self._field(scenes, row) for row in rows])
        return patchify(torch.from_numpy(fields).permute(0, 4, 1, 2, 3), self.spec.patch)

    def _field(self, scenes: Scenes, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """``[instants, h, w, 3]`` features of one clip."""
        if self._motion is None:
            moved, seen = track(self.clip, scenes.images[rows], self.spec.cell)
        else:
            motion = self._motion.follow(scenes, rows)
            pixels, seen = self._motion.project(scenes, rows, motion.points)
            moved, seen = (pixels - pixels[0])[1:], (seen & motion.known)[1:]
        seen = seen & np.isfinite(moved[..., 0])
        values = np.concatenate(
            (np.where(seen[..., None], moved / UNIT, 0.0), np.where(seen, 1.0, -1.0)[..., None]), -1
        )
        return np.clip(values, -RANGE, RANGE).astype(np.float32)

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        height, width = (side // self.spec.cell for side in self.clip.layout.size)
        field = unpatchify(future, self.spec.patch, (3, height, width)).permute(0, 2, 3, 4, 1)
        values = field * torch.tensor([UNIT, UNIT, 0.5]) + torch.tensor([0.0, 0.0, 0.5])
        values[..., 2].clamp_(0.0, 1.0)
        large: NDArray[np.float32] = values.float().numpy().repeat(self.spec.cell, 2)
        return large.repeat(self.spec.cell, 3)


def track(clip: Clip, frames: NDArray[np.uint8], cell: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Tracks the middle of every ``cell`` x ``cell`` pixels of ``frames [T, H, W*, 3]`` from frame to frame, camera by
    camera (Lucas-Kanade in pyramids: Bouguet 2001).

    Returns:
        ``[T - 1, h, w, 2]`` pixels from the first frame on, and bool ``[T - 1, h, w]``: found, and found back again.
    """
    height, width = clip.layout.size
    shape = (len(frames) - 1, height // cell, width // cell)
    moved, found = np.zeros((*shape, 2)), np.zeros(shape, bool)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    for top, left, high, wide in clip.layout.regions.values():
        tiles = [np.ascontiguousarray(g[top : top + high, left : left + wide]) for g in grey]
        y, x = np.mgrid[cell // 2 : high : cell, cell // 2 : wide : cell]
        begin = np.stack((x, y), axis=-1).reshape(-1, 1, 2).astype(np.float32)
        at, alive = begin, np.ones(len(begin), bool)
        rows, columns = slice(top // cell, (top + high) // cell), slice(left // cell, (left + wide) // cell)
        for k, (before, after) in enumerate(zip(tiles[:-1], tiles[1:], strict=True)):
            gone, there, _ = cv2.calcOpticalFlowPyrLK(before, after, at, None, winSize=(9, 9), maxLevel=2)  # type: ignore[call-overload]
            back, here, _ = cv2.calcOpticalFlowPyrLK(after, before, gone, None, winSize=(9, 9), maxLevel=2)  # type: ignore[call-overload]
            inside = ((gone >= 0) & (gone <= (wide - 1, high - 1))).all(axis=(1, 2))
            near = np.linalg.norm(back - at, axis=(1, 2)) < RETURN
            alive = alive & (there[:, 0] > 0) & (here[:, 0] > 0) & inside & near
            at = gone
            moved[k, rows, columns] = (at - begin).reshape(*y.shape, 2)
            found[k, rows, columns] = alive.reshape(y.shape)
    return moved, found
