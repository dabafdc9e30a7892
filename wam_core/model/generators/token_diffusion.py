"""Next tokens that are continuous: masked as discrete ones are, and each drawn by a small diffusion network.

Li et al. 2024 (MAR, "Autoregressive image generation without vector quantization"); UVA (Li et al. 2025) has such heads
for pictures and for actions.
"""

import math

import torch
from torch import Tensor

from wam_core.model.generators.bins import HIDDEN
from wam_core.model.generators.generator import Generator

#: This share of the training samples has all tokens hidden, and as many have none: what one is asked for and what one
#: is given whole, by which the same weights are policy, world model, inverse dynamics or video model.
ENDS = 0.15
#: Successive multiples of it spread evenly over 0..1, however many there are.
GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)


class TokenDiffusion(Generator):
    """The noise level is the share of tokens that are hidden; those that are uncovered in a step lie far apart."""

    axis = "Hybrid"
    drawn = True

    def noise_level(self, u: Tensor, shift: float) -> Tensor:
        return torch.cos(0.5 * math.pi * ((u - ENDS) / (1.0 - 2.0 * ENDS)).clamp(0.0, 1.0)).clamp(min=0.0)

    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The target of a token that is not asked for is not a number."""
        rank = noise[..., 0].argsort(dim=1).argsort(dim=1)
        hidden = (rank < (sigma[:, None] * x.shape[1]).round())[..., None]
        return torch.where(hidden, HIDDEN, x), torch.where(hidden, x, torch.nan), torch.ones_like(sigma)

    def levels(self, steps: int, shift: float) -> Tensor:
        covered = torch.cos(0.5 * math.pi * torch.linspace(0.0, 1.0, steps + 1, dtype=torch.float64))
        return covered.round(decimals=9).float()

    def start(self, noise: Tensor) -> Tensor:
        return torch.full_like(noise, HIDDEN)

    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        count = x.shape[1]
        rank = (torch.arange(count, device=x.device) * GOLDEN % 1.0).argsort().argsort()
        due = (rank >= math.floor(following * count))[:, None]
        return torch.where((x == HIDDEN).all(dim=-1, keepdim=True) & due, predicted, x)
