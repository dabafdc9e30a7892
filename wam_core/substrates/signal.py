"""Numbers beside the pictures: how far a task has come, whether something is touched."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.model.modalities import TokenShape
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec


@dataclass(frozen=True)
class SignalSpec(SubstrateSpec):
    """A channel of the scenes with values in 0..1. It judges futures and is none, so it has no place on the axis."""

    axis = ""
    shows = "signal"

    kind: str
    channel: str

    @property
    def channels(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.channel,)

    def shape(self, clip: Clip) -> TokenShape:
        return TokenShape(0, clip.instants, (), 1)

    def build(self, clip: Clip) -> Substrate:
        return Signal(self.channel)


class Signal(Substrate):
    """One token an instant, -1..1; ``decode`` gives float32 ``[M, instants, 1]`` in 0..1."""

    def __init__(self, channel: str) -> None:
        super().__init__()
        self.channel = channel

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        values = scenes.channel(self.channel)[rows[:, 1:]].astype(np.float32)
        return torch.from_numpy(2.0 * values - 1.0)[..., None]

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        values: NDArray[np.float32] = (0.5 * (future + 1.0)).clamp(0.0, 1.0).numpy()
        return values
