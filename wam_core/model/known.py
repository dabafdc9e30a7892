"""What a generated group goes on from: features of which something is known before they are generated."""

from typing import NamedTuple

import torch
from torch import Tensor

from wam_core.model.generators.generator import Generator


class Known(NamedTuple):
    """Features ``[B, N, F]`` that a group goes on from, and how much each token is held to them, ``[B, N, 1]`` 0..1."""

    features: Tensor
    weights: Tensor

    def brought(self, said: Tensor, x: Tensor, maker: Generator, now: float) -> Tensor:
        """What ``maker``'s head ``said`` of its input ``x``, brought to what it would say if it knew the features.

        The correction is not by the gradient of the error (real-time chunking as published): a head that is sure of
        what it says has next to none, and the known tokens come out otherwise than they are known.
        """
        return said.lerp(maker.aim(x, self.features, now), self.weights)


def nothing_of(x: Tensor) -> Known:
    """What is known of a group of the shape of ``x`` ``[B, N, F]`` that goes on from nothing."""
    return Known(torch.zeros_like(x), torch.zeros_like(x[..., :1]))
