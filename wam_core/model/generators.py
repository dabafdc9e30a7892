"""How predicted groups are produced: what the trunk is shown, what it is asked for, and how steps advance."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from wam_core.model import flow

#: Errors of clean predictions are not weighted up any further below this noise level.
LEAST_SIGMA = 0.5


class Generator(ABC):
    """One way of producing a group's features ``[B, N, F]``."""

    @abstractmethod
    def noise_level(self, u: Tensor, shift: float) -> Tensor:
        """Training noise level ``[B]`` for uniform ``u`` ``[B]``."""

    @abstractmethod
    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Input, target (both ``[B, N, F]``) and loss weight ``[B]`` of a training step."""

    @abstractmethod
    def levels(self, steps: int, shift: float) -> Tensor:
        """Noise levels of sampling, one more than the steps really needed."""

    @abstractmethod
    def start(self, noise: Tensor) -> Tensor:
        """First input of sampling."""

    @abstractmethod
    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        """Next input; after the last step the generated features."""


class FlowMatching(Generator):
    """Velocity prediction along the straight path, Euler sampling."""

    def noise_level(self, u: Tensor, shift: float) -> Tensor:
        return flow.shift_time(u, shift)

    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return flow.mix(x, noise, sigma), noise - x, flow.bell_weight(sigma)

    def levels(self, steps: int, shift: float) -> Tensor:
        return flow.step_levels(steps, shift)

    def start(self, noise: Tensor) -> Tensor:
        return noise

    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        return x + (following - now) * predicted


class CleanFlowMatching(FlowMatching):
    """The same path and steps, but the network predicts the clean features, not the velocity.

    Chunks and frames lie near a low-dimensional manifold, noise does not: a small network need not carry the noise
    through (Li and He 2025, "Back to Basics"). The weight is that of the velocity's error, bounded at small noise.
    """

    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return flow.mix(x, noise, sigma), x, sigma.clamp(min=LEAST_SIGMA) ** -2

    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        return predicted + (following / now) * (x - predicted)


class Regression(Generator):
    """One-shot prediction from positions alone (the behaviour-cloning baseline's action group)."""

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


GENERATORS: Mapping[str, Generator] = {
    "flow_matching": FlowMatching(),
    "clean_flow_matching": CleanFlowMatching(),
    "regression": Regression(),
}
