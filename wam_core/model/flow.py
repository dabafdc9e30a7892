"""Flow matching: noise levels, the straight path, the velocity target and the Euler steps.

The path is ``x_s = (1 - s) x + s n`` with noise level ``s`` (sigma) from 0 (data) to 1 (noise); the network
predicts ``n - x`` (Lipman et al. 2023; the convention of Wan 2.x and Fast-WAM).
"""

import torch
from torch import Tensor


def shift_time(u: Tensor, shift: float) -> Tensor:
    """``shift * u / (1 + (shift - 1) * u)``: a larger shift spends more of 0..1 near pure noise."""
    return shift * u / (1 + (shift - 1) * u)


def step_levels(steps: int, shift: float) -> Tensor:
    """The ``steps + 1`` noise levels of an Euler sampler, from 1 down to 0."""
    return shift_time(torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64), shift).float()


def bell_weight(sigma: Tensor) -> Tensor:
    """Loss weight that favours middle noise levels, about 1 on average over uniform sigma."""
    return torch.exp(-2.0 * (sigma - 0.5) ** 2) / 0.8556


def mix(x: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Point on the path at noise level ``sigma`` ``[B]`` for ``x`` and ``noise`` ``[B, N, F]``."""
    s = sigma[:, None, None]
    return (1 - s) * x + s * noise
