"""Tokens of points in space: what pictures with depth show, without the pictures."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from wam_core.model.modalities import Embedding, TokenShape

#: Width of the network that each point goes through.
HIDDEN = 64


class Lift(nn.Module, ABC):
    """From features of pictures to the points in space that they show; it has no parameters.

    Attributes:
        numbers: how many each point has.
        kept: tokens of a frame whose points are known: of cameras that stand still.
    """

    numbers: int
    kept: int

    @abstractmethod
    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``[B, N, F]`` to points ``[B, frames * kept, P, numbers]`` and which are there ``[B, ..., P]``."""


class PointTokens(Embedding):
    """One token for the points of each patch, whatever their order (PointNet: Qi, Su, Mo and Guibas 2017).

    Tokens know their frame and no place in the picture: where something is, its points say.
    """

    def __init__(self, lift: Lift, shape: TokenShape, width: int) -> None:
        super().__init__()
        self.lift, self.shape = lift, shape
        self.point = nn.Sequential(nn.Linear(lift.numbers, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN))
        self.out = nn.Linear(HIDDEN, width)
        self.nothing = nn.Parameter(torch.zeros(width))

    def embed(self, features: Tensor, span: str) -> Tensor:
        points, there = self.lift(features)
        said = self.point(points).masked_fill(~there[..., None], float("-inf")).amax(dim=-2)
        some = there.any(dim=-1, keepdim=True)
        return torch.where(some, self.out(torch.where(some, said, 0.0)), self.nothing)

    def positions(self, span: str) -> Tensor:
        frames = torch.tensor(self.shape.frames(span)).repeat_interleave(self.lift.kept)
        return torch.stack((frames, torch.zeros_like(frames), torch.zeros_like(frames)), dim=1)
