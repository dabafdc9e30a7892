"""How one published form of the weights names the parameters of the trunk.

A layout is data: pairs of name patterns. ``*`` stands for one dotted part of our name, ``{0}``, ``{1}`` put these parts
into theirs; a pattern that ends in a dot renames a prefix. The first pair that fits wins, and a parameter that none
fits is not in such a file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from wam_core.model.modalities import TokenShape

#: Parameters of ours that no published model has; zeros are the published model.
ADDED = ("modalities.video.places", "modalities.action.places")


@dataclass(frozen=True)
class Layout:
    """``names`` are (ours, theirs) pairs; ``unpack`` names the top-level entries of a pickled file that are read."""

    summary: str
    names: tuple[tuple[str, str], ...]
    unpack: tuple[str, ...] = ()


@cache
def _pattern(ours: str) -> re.Pattern[str]:
    escaped = re.escape(ours).replace(r"\*", r"([^.]+)")
    return re.compile(escaped + ("(.*)" if ours.endswith(".") else "()$"))


def published_name(layout: Layout, key: str) -> str | None:
    """Their name of our parameter ``key``, or None when such a file does not hold it."""
    for ours, theirs in layout.names:
        if match := _pattern(ours).match(key):
            *parts, rest = match.groups()
            return theirs.format(*parts) + rest
    return None


def to_published(key: str, value: Tensor, video: TokenShape) -> Tensor:
    """Our parameter in the shape and order that every Wan-like layout stores.

    Patches are embedded by a 3D convolution ``[width, C, 1, p, p]``, and the head's rows go through the pixels of a
    patch before its channels, ours the other way round.
    """
    channels, p = video.channels, video.patch
    if key == "modalities.video.patch_embedding.weight":
        return value.unflatten(1, (channels, 1, p, p))
    if key in ("modalities.video.out.weight", "modalities.video.out.bias"):
        return value.unflatten(0, (channels, p, p)).movedim(0, 2).flatten(0, 2)
    return value


def from_published(key: str, value: Tensor, video: TokenShape) -> Tensor:
    """Inverse of :func:`to_published`."""
    channels, p = video.channels, video.patch
    if key == "modalities.video.patch_embedding.weight":
        return value.flatten(1)
    if key in ("modalities.video.out.weight", "modalities.video.out.bias"):
        return value.unflatten(0, (p, p, channels)).movedim(2, 0).flatten(0, 2)
    return value


def published_state(layout: Layout, state: Mapping[str, Tensor], video: TokenShape) -> dict[str, Tensor]:
    """Our parameters under the names, shapes and orders of ``layout``; those it does not hold are left out."""
    names = {key: published_name(layout, key) for key in state}
    return {name: to_published(key, state[key], video) for key, name in names.items() if name is not None}
