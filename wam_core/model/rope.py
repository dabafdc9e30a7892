"""Rotary position embedding: in one or three axes, and how it turns the channels of a head."""

from functools import cache

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


def pair_tables(angles: Tensor) -> tuple[Tensor, Tensor]:
    """What :func:`apply_rope` takes of ``angles`` ``[N, head_dim / 2]``: for each channel of a pair the cosine, and the
    sine as it takes the other one's part, ``[N, 1, head_dim]``."""
    cos, sin = angles.cos().float(), angles.sin().float()
    return torch.stack((cos, cos), -1).flatten(-2)[:, None], torch.stack((-sin, sin), -1).flatten(-2)[:, None]


@cache
def _partners(channels: int, device: torch.device) -> Tensor:
    """The other channel of each one's pair."""
    return torch.arange(channels, device=device).unflatten(0, (-1, 2)).flip(1).flatten()


def apply_rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate pairs of neighbouring channels of ``x`` ``[B, N, heads, head_dim]`` by :func:`pair_tables`."""
    return x * cos + x.index_select(-1, _partners(x.shape[-1], x.device)) * sin


def rotate_halves(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate pairs made of a channel of each half, as published language models have them, by ``cos``/``sin`` ``[N, 1,
    head_dim / 2]``."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
