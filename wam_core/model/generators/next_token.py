"""Next tokens: features in bins, frame after frame or token after token, each from those before it (WorldVLA)."""

import torch
from torch import Tensor

from wam_core.model.generators.bins import BINS, HIDDEN, certain, choices, cross_entropy, from_bins, to_bins
from wam_core.model.generators.generator import Generator


class NextToken(Generator):
    """Levels are the share of the sequence that is still to come; a step decides as many tokens as they say.

    What is shown is always clean, so the trunk is told no noise level. The order among tokens is the group's
    (``TokenGroup.order``), and so is what a token is predicted from.
    """

    outputs = BINS
    axis = "Autoregressive"
    ordered = True

    def noise_level(self, u: Tensor, shift: float) -> Tensor:
        return torch.zeros_like(u)

    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        bins = to_bins(x)
        return from_bins(bins).to(x.dtype), bins, torch.ones_like(sigma)

    def levels(self, steps: int, shift: float) -> Tensor:
        return torch.linspace(1.0, 0.0, steps + 1)

    def start(self, noise: Tensor) -> Tensor:
        return torch.full_like(noise, HIDDEN)

    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        begin, end = (round((1.0 - level) * x.shape[1]) for level in (now, following))
        after = x.clone()
        after[:, begin:end] = from_bins(choices(predicted[:, begin:end])[1]).to(x.dtype)
        return after

    def aim(self, x: Tensor, clean: Tensor, now: float) -> Tensor:
        return certain(clean)

    def error(self, predicted: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(predicted, target)
