"""Touch images of both fingertips, as latents of a fixed linear encoder (OmniVTA's tactile half)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.modalities import TokenShape
from wam_core.substrates.cosines import Cosines
from wam_core.substrates.every_step import every_step
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec


@dataclass(frozen=True)
class TouchLatentSpec(SubstrateSpec):
    """Fingertips of ``rows`` x ``columns`` taxels, of which ``kept`` x ``kept`` coefficients each are kept.

    A touch image is a picture, as those of a gel that a camera looks at: its latents are pixel latents.
    """

    axis: ClassVar[str] = "Pixel (latent)"
    shows: ClassVar[str] = "touch"
    channels: ClassVar[tuple[str, ...]] = ("touch",)

    kind: str
    rows: int
    columns: int
    kept: int

    def shape(self, clip: Clip) -> TokenShape:
        if not 0 < self.kept <= min(self.rows, self.columns):
            raise ContractError("substrate.kept", self.kept, f"1 to {min(self.rows, self.columns)}")
        return TokenShape(1, clip.instants * clip.stride, (), 2 * self.kept**2)

    def build(self, clip: Clip) -> Substrate:
        return TouchLatent(self, clip)


class TouchLatent(Substrate):
    """One token an action step; ``decode`` gives float32 ``[M, steps, rows, 2 * columns]`` N: left, right."""

    #: A force on a taxel of which half is no more to be told (N), and one that counts in full: skin feels ratios.
    LEAST, FULL = 0.005, 1.0
    #: Makes features of touches in the cell about as large as noise.
    GAIN = 25.0

    def __init__(self, spec: TouchLatentSpec, clip: Clip) -> None:
        super().__init__()
        self.spec = spec
        self.stride = clip.stride
        self.cosines = Cosines(spec.rows, spec.columns, spec.kept, spec.kept, self.GAIN)

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        touch = np.asarray(scenes.channel("touch"), np.float32)
        expected = (2, self.spec.rows, self.spec.columns)
        if touch.shape[1:] != expected:
            raise ContractError("scenes.touch", touch.shape[1:], f"two fingertips of taxels {expected}")
        steps = every_step(rows, self.stride)
        used, where = np.unique(steps, return_inverse=True)
        levels = np.log1p(np.maximum(touch[used], 0.0) / self.LEAST) / np.log1p(self.FULL / self.LEAST)
        return self.cosines.encode(levels).flatten(1)[torch.from_numpy(where.reshape(steps.shape))]

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        levels = self.cosines.decode(future.unflatten(-1, (2, -1)))
        force = self.LEAST * np.expm1(np.clip(levels, 0.0, 2.0) * np.log1p(self.FULL / self.LEAST))
        return np.concatenate((force[:, :, 0], force[:, :, 1]), axis=-1).astype(np.float32)
