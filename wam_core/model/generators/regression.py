"""One-shot prediction by its mean squared error (behaviour cloning, inverse dynamics)."""

import torch
from torch import Tensor

from wam_core.model.generators.generator import Generator


class Regression(Generator):
    """From positions alone; the tokens hold nothing at first."""

    axis = "Joint-embedding"

    def noise_level(self, u: Tensor, shift: float) -> Tensor:
        return torch.zeros_like(u)

    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return torch.zeros_like(x), x, torch.ones_like(sigma)

    def levels(self, steps: int, shift: float) -> Tensor:
        return torch.zeros(2)

    def start(self, noise: Tensor) -> Tensor:
        return torch.zeros_like(noise)

    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        return predicted
