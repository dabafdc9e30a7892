"""What is remembered of a scene, as cameras would see it from where an action brings them (3D-ALP)."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.contract import FloatArray
from wam_core.errors import ContractError
from wam_core.model.modalities import TokenShape
from wam_core.preprocess.images import to_pixels
from wam_core.scene_memory import SceneMemory
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.pixels import Pixels
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid


@dataclass(frozen=True)
class SceneViewSpec(SubstrateSpec):
    """At most ``points`` coloured points, ``cell`` m apart, fused from depth over all observations so far. Pictures are
    made smaller by ``shrink``; ``patch`` is the side of a token in the pixels that are left."""

    axis = "Geometric"
    shows = "video"
    channels = ("proprioception", "depth", "beginning")
    remembers = True

    kind: str
    shrink: int
    patch: int
    points: int
    cell: float

    @property
    def present_channels(self) -> tuple[str, ...]:
        return ("proprioception", "depth")

    def shape(self, clip: Clip) -> TokenShape:
        if self.points < 1 or not self.cell > 0.0:
            raise ContractError("points", (self.points, self.cell), "one or more points, more than 0 m apart")
        return TokenShape(0, clip.instants, token_grid(clip, self.shrink * self.patch), 4 * self.patch**2, self.patch)

    def build(self, clip: Clip) -> Substrate:
        return SceneView(self, clip)


class SceneView(Substrate):
    """RGB as :class:`Pixels` has it, and whether anything is known there (1 or -1), which a black pixel does not say.

    ``decode`` gives uint8 RGB ``[M, instants, H, W*, 3]``, black where nothing is known.
    """

    def __init__(self, spec: SceneViewSpec, clip: Clip) -> None:
        super().__init__()
        self.spec, self.size, self.pace = spec, clip.layout.size, clip.pace
        self.nothing = SceneMemory(clip.geometry(spec.shrink), spec.points, spec.cell)

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        """What was remembered at the observed instants, seen from where the later ones took place."""
        proprioception = scenes.channel("proprioception").astype(np.float64)
        made: list[Tensor | None] = [None] * len(rows)
        for window, memory in self._memories(scenes, rows[:, 0]):
            made[window] = self.views(memory, proprioception[rows[window, 1:]])
        return torch.stack([views for views in made if views is not None])

    def _memories(self, scenes: Scenes, observed: NDArray[np.int64]) -> Iterator[tuple[int, SceneMemory]]:
        """Windows by the rows that they observe, with what is remembered there: what was seen of the stretch every
        ``pace`` rows before, as it is when chunks follow each other."""
        beginning = scenes.channel("beginning").astype(np.int64)
        memories, last = dict[int, SceneMemory](), -1
        for window in np.argsort(observed, kind="stable"):
            row = int(observed[window])
            if beginning[row] > last:
                memories, last = {}, int(beginning[row]) - 1
            for unseen in range(last + 1, row + 1):
                turn = unseen % self.pace
                memories[turn] = self.seen(memories.get(turn, self.nothing), scenes, unseen)
            last = row
            yield int(window), memories[row % self.pace]

    def seen(self, memory: SceneMemory, scenes: Scenes, row: int) -> SceneMemory:
        """``memory`` with one row of ``scenes`` in it."""
        height, width = (side // self.spec.shrink for side in self.size)
        image = cv2.resize(scenes.images[row], (width, height), interpolation=cv2.INTER_AREA)
        depth = np.asarray(scenes.channel("depth")[row], np.float32)
        far = cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        pose = scenes.channel("proprioception")[row].astype(np.float64)
        return memory.see(np.asarray(image, np.uint8), np.asarray(far, np.float32), pose)

    def views(self, memory: SceneMemory, proprioception: FloatArray) -> Tensor:
        """Features ``[N, F]`` of ``memory`` as it is seen at ``proprioception [T, D]``."""
        pictures, known = memory.render(proprioception)
        colours = torch.from_numpy(pictures).float() / 127.5 - 1.0
        told = 2.0 * torch.from_numpy(known).float() - 1.0
        layers = torch.cat((Pixels.CONTRAST * colours, told[..., None]), dim=-1)
        return patchify(layers.permute(3, 0, 1, 2)[None], self.spec.patch)[0]

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        height, width = (side // self.spec.shrink for side in self.size)
        layers = unpatchify(future, self.spec.patch, (4, height, width)).transpose(1, 2)
        frames = layers[:, :, :3] / Pixels.CONTRAST
        large = torch.nn.functional.interpolate(frames.flatten(0, 1), self.size, mode="nearest")
        pixels: NDArray[np.uint8] = to_pixels(large.unflatten(0, frames.shape[:2]).numpy())
        return pixels
