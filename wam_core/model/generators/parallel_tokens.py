"""All tokens in one pass, from tokens that hold nothing (the chunk of OpenVLA-OFT, CoT-VLA and WorldVLA)."""

import torch
from torch import Tensor

from wam_core.model.generators.bins import BINS, HIDDEN, certain, choices, cross_entropy, from_bins, to_bins
from wam_core.model.generators.generator import Generator


class ParallelTokens(Generator):
    """Features in bins, each the likeliest of what the others' places and everything seen say."""

    outputs = BINS
    axis = "Autoregressive"

    def noise_level(self, u: Tensor, shift: float) -> Tensor:
        return torch.ones_like(u)

    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return torch.full_like(x, HIDDEN), to_bins(x), torch.ones_like(sigma)

    def levels(self, steps: int, shift: float) -> Tensor:
        return torch.tensor([1.0, 0.0])

    def start(self, noise: Tensor) -> Tensor:
        return torch.full_like(noise, HIDDEN)

    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        return from_bins(choices(predicted)[1]).to(x.dtype)

    def aim(self, x: Tensor, clean: Tensor, now: float) -> Tensor:
        return certain(clean)

    def error(self, predicted: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(predicted, target)
