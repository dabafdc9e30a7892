"""Masked discrete diffusion: features in bins, tokens hidden and then uncovered in order of confidence.

Chang et al. 2022 (MaskGIT) for the schedule and the order, Austin et al. 2021 for masking as diffusion. A token is
hidden or shown whole.
"""

import math

import torch
from torch import Tensor

from wam_core.model.generators.bins import BINS, HIDDEN, IGNORED, certain, choices, cross_entropy, from_bins, to_bins
from wam_core.model.generators.generator import Generator


class MaskedDiffusion(Generator):
    """The noise level is the share of tokens that are hidden. Nothing is drawn at random in sampling."""

    outputs = BINS

    def noise_level(self, u: Tensor, shift: float) -> Tensor:
        return torch.cos(0.5 * math.pi * u)

    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rank = noise[..., 0].argsort(dim=1).argsort(dim=1)
        hidden = rank < (sigma[:, None] * x.shape[1]).clamp(min=1.0)
        bins = to_bins(x)
        shown = torch.where(hidden[..., None], torch.full_like(x, HIDDEN), from_bins(bins).to(x.dtype))
        return shown, torch.where(hidden[..., None], bins, IGNORED), torch.ones_like(sigma)

    def levels(self, steps: int, shift: float) -> Tensor:
        covered = torch.cos(0.5 * math.pi * torch.linspace(0.0, 1.0, steps + 1, dtype=torch.float64))
        return covered.round(decimals=9).float()

    def start(self, noise: Tensor) -> Tensor:
        return torch.full_like(noise, HIDDEN)

    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        chances, bins = choices(predicted)
        known = (x != HIDDEN).all(dim=-1)
        confidence = chances.mean(dim=-1).masked_fill(known, float("inf"))
        rank = confidence.argsort(dim=1).argsort(dim=1)
        stays = rank < math.floor(following * x.shape[1])
        uncovered = torch.where(known[..., None], x, from_bins(bins).to(x.dtype))
        return torch.where((stays & ~known)[..., None], x, uncovered)

    def aim(self, x: Tensor, clean: Tensor, now: float) -> Tensor:
        return certain(clean)

    def error(self, predicted: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(predicted, target)
