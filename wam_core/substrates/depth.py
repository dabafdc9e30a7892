"""Pictures with depth and surface normals, as they are seen: depth maps, RGB-D and RGB-D-normal video (TesserAct)."""

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.contract import FloatArray
from wam_core.model.lifting import Lift
from wam_core.model.modalities import TokenShape
from wam_core.robot.geometry import Geometry
from wam_core.substrates.depth_code import CONTRAST, LAYERS, depth_code, depth_of
from wam_core.substrates.depth_lift import DepthLift
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid

#: Depths in one block that differ by more than this share lie on another surface.
SAME_SURFACE = 0.05
#: Neighbours whose depths differ by more than this (m per pixel) are on different surfaces, and have no normal.
EDGE = 0.05


@dataclass(frozen=True)
class DepthSpec(SubstrateSpec):
    """Pictures are made smaller by ``shrink``; ``patch`` is the side of a token in the pixels that are left."""

    axis = "Geometric"
    shows = "depth"
    channels = ("depth",)
    layers: ClassVar[tuple[str, ...]] = ("depth",)

    kind: str
    shrink: int
    patch: int

    @property
    def width(self) -> int:
        """Numbers per pixel."""
        return sum(LAYERS[layer] for layer in self.layers)

    def shape(self, clip: Clip) -> TokenShape:
        grid = token_grid(clip, self.shrink * self.patch)
        return TokenShape(1, clip.instants, grid, self.width * self.patch**2, self.patch)

    def lift(self, clip: Clip) -> Lift:
        return DepthLift(self.layers, self.shrink, self.patch, clip)

    def build(self, clip: Clip) -> Substrate:
        return DepthPictures(self, clip)


@dataclass(frozen=True)
class RgbdSpec(DepthSpec):
    """RGB and depth."""

    axis = "Pixel (decoded)"
    shows = "rgbd"
    layers = ("colour", "depth")


@dataclass(frozen=True)
class RgbdnSpec(DepthSpec):
    """RGB, depth, and the normals of what is seen."""

    axis = "Pixel (decoded)"
    shows = "rgbdn"
    layers = ("colour", "depth", "normal")


class DepthPictures(Substrate):
    """``decode`` gives float32 ``[M, instants, H, W*]`` m for depth alone, else ``[M, instants, H, W*, C]``.

    Colours are 0..1; depth is m along the optical axis, inf where nothing is there; normals are unit vectors in the
    optical frame of the camera that sees them (x to the right, y down, z away from it), zero where there is none.
    """

    def __init__(self, spec: DepthSpec, clip: Clip) -> None:
        super().__init__()
        self.spec = spec
        self.size = clip.layout.size
        self.geometry = clip.geometry(spec.shrink) if "normal" in spec.layers else None

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        used, where = np.unique(rows, return_inverse=True)
        frames = torch.from_numpy(np.stack([self._frame(scenes, row) for row in used])).permute(0, 3, 1, 2)
        clips = frames[torch.from_numpy(where.reshape(rows.shape))]
        return patchify(CONTRAST * clips.transpose(1, 2), self.spec.patch)

    def _frame(self, scenes: Scenes, row: np.int64) -> NDArray[np.float32]:
        """``[h, w, C]`` in about -1..1."""
        height, width = (side // self.spec.shrink for side in self.size)
        depth = shrunk(scenes.channel("depth")[row].astype(np.float64), self.spec.shrink)
        layers = {"depth": depth_code(depth)[..., None]}
        if "colour" in self.spec.layers:
            small = cv2.resize(scenes.images[row], (width, height), interpolation=cv2.INTER_AREA)
            layers["colour"] = small / 127.5 - 1.0
        if self.geometry is not None:
            layers["normal"] = normals(self.geometry, depth)
        return np.concatenate([layers[name] for name in self.spec.layers], axis=-1).astype(np.float32)

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        height, width = (side // self.spec.shrink for side in self.size)
        codes = unpatchify(future, self.spec.patch, (self.spec.width, height, width)) / CONTRAST
        large: FloatArray = codes.permute(0, 2, 3, 4, 1).double().numpy()
        large = large.repeat(self.spec.shrink, axis=2).repeat(self.spec.shrink, axis=3)
        first, out = 0, []
        for name in self.spec.layers:
            layer = large[..., first : first + LAYERS[name]]
            out.append(_DECODED[name](layer))
            first += LAYERS[name]
        values = np.concatenate(out, axis=-1).astype(np.float32)
        return values[..., 0] if self.spec.layers == ("depth",) else values


def shrunk(depth: FloatArray, by: int) -> FloatArray:
    """``[H / by, W / by]`` depth at the centre of each block of ``depth [H, W]`` m.

    Inverse depth is linear over the picture of a plane, so its mean is exact there; it is taken over the pixels of one
    surface, because between a finger and the table behind it there is nothing.
    """
    height, width = depth.shape
    blocks = (
        (1.0 / depth).reshape(height // by, by, width // by, by).swapaxes(1, 2).reshape(height // by, width // by, -1)
    )
    middle = np.partition(blocks, by * by // 2, axis=-1)[..., [by * by // 2]]
    same = np.abs(blocks - middle) <= SAME_SURFACE * middle
    mean = (blocks * same).sum(axis=-1) / same.sum(axis=-1)
    return np.divide(1.0, mean, out=np.full_like(mean, np.inf), where=mean > 0.0)


def normals(geometry: Geometry, depth: FloatArray) -> FloatArray:
    """``[H, W*, 3]`` unit normals of what ``depth [H, W*]`` m shows, towards the camera, in its optical frame.

    From central differences of the points in space; zero at edges and where nothing is.
    """
    points = geometry.seen(depth)
    out = np.zeros_like(points)
    for view in geometry.views.values():
        top, left, height, width = view.region
        tile = points[top : top + height, left : left + width]
        with np.errstate(invalid="ignore"):
            down = tile[2:, 1:-1] - tile[:-2, 1:-1]
            across = tile[1:-1, 2:] - tile[1:-1, :-2]
            normal = np.cross(across, down)
            length = np.linalg.norm(normal, axis=-1, keepdims=True)
            steep = np.maximum(np.abs(down[..., 2]), np.abs(across[..., 2])) > 2.0 * EDGE
            found = (length[..., 0] > 0.0) & ~steep
        # x across, y down: their product points away from the camera.
        out[top + 1 : top + height - 1, left + 1 : left + width - 1] = np.where(found[..., None], -normal / length, 0.0)
    return out


def _unit(layer: FloatArray) -> FloatArray:
    length = np.linalg.norm(layer, axis=-1, keepdims=True)
    return np.divide(layer, length, out=np.zeros_like(layer), where=length > 0.5)


_DECODED = {
    "colour": lambda layer: np.clip(0.5 * (layer + 1.0), 0.0, 1.0),
    "depth": depth_of,
    "normal": _unit,
}
