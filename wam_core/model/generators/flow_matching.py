"""Flow matching (Lipman et al. 2023): along the straight path from noise to data, by its velocity or by its end."""

from torch import Tensor

from wam_core.model import flow
from wam_core.model.generators.generator import Generator

#: Errors of clean predictions are not weighted up any further below this noise level.
LEAST_SIGMA = 0.5


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

    def aim(self, x: Tensor, clean: Tensor, now: float) -> Tensor:
        return (x - clean) / now


class CleanFlowMatching(FlowMatching):
    """The same path and steps, but the network predicts the clean features, not the velocity.

    Chunks and frames lie near a low-dimensional manifold, noise does not: a small network need not carry the noise
    through (Li and He 2025, "Back to Basics"). The weight is that of the velocity's error, bounded at small noise.
    """

    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return flow.mix(x, noise, sigma), x, sigma.clamp(min=LEAST_SIGMA) ** -2

    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        return predicted + (following / now) * (x - predicted)

    def aim(self, x: Tensor, clean: Tensor, now: float) -> Tensor:
        return clean
