"""Score diffusion: the noise is predicted along a variance-preserving path, and taken out in deterministic steps.

Ho et al. 2020 (the target), Nichol and Dhariwal 2021 (the cosine path), Song et al. 2021 (DDIM, the steps).
"""

import math

import torch
from torch import Tensor

from wam_core.model import flow
from wam_core.model.generators.generator import Generator

#: The path ends just short of pure noise, where the data could not be told from the prediction any more.
LAST = 0.98
#: Normalised features lie within this; what a step takes for the data is kept there (as DDPM's clipped sampling).
RANGE = 5.0


class ScoreDiffusion(Generator):
    """At level s the input is ``cos(a) x + sin(a) noise`` with ``a = s * LAST * pi / 2``."""

    def noise_level(self, u: Tensor, shift: float) -> Tensor:
        return flow.shift_time(u, shift)

    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        angle = 0.5 * math.pi * LAST * sigma[:, None, None]
        return angle.cos() * x + angle.sin() * noise, noise, torch.ones_like(sigma)

    def levels(self, steps: int, shift: float) -> Tensor:
        return flow.step_levels(steps, shift)

    def start(self, noise: Tensor) -> Tensor:
        return noise

    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        angle, after = (0.5 * math.pi * LAST * level for level in (now, following))
        clean = ((x - math.sin(angle) * predicted) / math.cos(angle)).clamp(-RANGE, RANGE)
        noise = (x - math.cos(angle) * clean) / math.sin(angle)
        return math.cos(after) * clean + math.sin(after) * noise

    def aim(self, x: Tensor, clean: Tensor, now: float) -> Tensor:
        angle = 0.5 * math.pi * LAST * now
        return (x - math.cos(angle) * clean) / math.sin(angle)
