"""Rotary position embedding: in one or three axes, and how it turns the channels of a head."""

import torch
from torch import Tensor


def rope_angles(positions: Tensor, head_dim: int, base: float = 10000.0) -> Tensor:
    """Angles ``[N, head_dim / 2]`` for integer ``positions`` ``[N, A]``.

    One axis uses the whole head. Three axes (time, height, width) split it as Wan 2.x does: height and width take
    ``2 * (head_dim // 6)`` channels each, time the rest (128 -> 44/42/42).
    """
    axes = positions.shape[1]
    side = 2 * (head_dim // 6)
    widths = [head_dim] if axes == 1 else [head_dim - 2 * side, side, side]
    angles = []
    for axis, width in enumerate(widths):
        rates = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles.append(positions[:, axis, None].double() * rates)
    return torch.cat(angles, dim=1)


def apply_rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate channel pairs of ``x`` ``[B, N, heads, head_dim]`` by ``cos``/``sin`` ``[N, 1, head_dim / 2]``."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


def rotate_halves(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """As :func:`apply_rope`, with a pair made of a channel of each half, as published language models have it."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
