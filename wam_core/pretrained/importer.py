"""Published weights into our parameters: all of them fit, or none is loaded and those that do not are listed."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from wam_core.errors import ContractError, look_up
from wam_core.model.wam import ModelSpec, WorldActionModel
from wam_core.pretrained.files import read_weights
from wam_core.pretrained.layout import ADDED, Layout, from_published, published_name, to_published
from wam_core.pretrained.layouts import LAYOUTS

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Imported:
    """Parameters by our names, in the file's precision; ``untrained`` are those such a file does not hold."""

    state: Mapping[str, Tensor]
    untrained: tuple[str, ...]


def skeleton(spec: ModelSpec) -> WorldActionModel:
    """The model without memory for its parameters: names and shapes only."""
    with torch.device("meta"):
        return WorldActionModel(spec)


def published_shapes(layout: Layout, spec: ModelSpec) -> dict[str, Shape]:
    """Name and shape of every parameter that a file of this layout holds for the model."""
    state = skeleton(spec).state_dict()
    names = {key: published_name(layout, key) for key in state}
    return {n: tuple(to_published(k, state[k], spec.shapes["video"]).shape) for k, n in names.items() if n is not None}


def import_weights(path: Path, layout_name: str, spec: ModelSpec) -> Imported:
    """Read ``path`` as the layout of that name into the parameters of ``spec``.

    Raises:
        ContractError: unknown layout, unreadable file, or missing, unknown or misshaped parameters (all are listed).
    """
    layout = look_up(LAYOUTS, layout_name, "as")
    found = read_weights(path, layout.unpack)
    expected = published_shapes(layout, spec)
    differences = compare(expected, {name: tuple(value.shape) for name, value in found.items()})
    if differences:
        hint = _other_layout(set(found), layout_name, spec)
        wanted = f"the {len(expected)} parameters of layout {layout_name}{hint}\n  " + "\n  ".join(differences)
        raise ContractError("weights", str(path), wanted)
    state, untrained = {}, []
    for key, own in skeleton(spec).state_dict().items():
        name = published_name(layout, key)
        if name is not None:
            state[key] = from_published(key, found[name], spec.shapes["video"]).contiguous()
        elif key in ADDED:
            state[key] = torch.zeros(own.shape)
        else:
            untrained.append(key)
    return Imported(state, tuple(untrained))


def compare(expected: Mapping[str, Shape], found: Mapping[str, Shape]) -> list[str]:
    """One line for each group of parameters that does not fit; block numbers are written ``*``."""
    lines = []
    missing, unknown = expected.keys() - found.keys(), found.keys() - expected.keys()
    for problem, keys, others in (("missing", missing, unknown), ("unknown", unknown, missing)):
        candidates = _grouped(others)
        for group, count in sorted(_grouped(keys).items()):
            close = difflib.get_close_matches(group, candidates, n=1, cutoff=0.5)
            hint = f"; closest {'unknown' if problem == 'missing' else 'missing'} one: {close[0]}" if close else ""
            lines.append(f"{problem}: {count} x {group}{hint}")
    wrong: dict[str, list[str]] = {}
    for key in sorted(expected.keys() & found.keys()):
        if expected[key] != found[key]:
            wrong.setdefault(_group(key), []).append(f"{list(found[key])}, expected {list(expected[key])}")
    lines += [f"misshaped: {len(shapes)} x {group}: {shapes[0]}" for group, shapes in wrong.items()]
    return lines


def _other_layout(found: set[str], tried: str, spec: ModelSpec) -> str:
    for name, layout in LAYOUTS.items():
        if name != tried and found == published_shapes(layout, spec).keys():
            return f" (its names are those of layout {name})"
    return ""


def _group(key: str) -> str:
    return re.sub(r"(?<=\.)\d+(?=\.)", "*", key, count=1) if "blocks." in key or "layers." in key else key


def _grouped(keys: Iterable[str]) -> Counter[str]:
    return Counter(_group(k) for k in keys)
