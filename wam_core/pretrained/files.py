"""Reading published weight files: safetensors, whole or sharded, and pickles that hold nothing but tensors."""

import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from wam_core.errors import ContractError


def read_weights(path: Path, unpack: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Name -> tensor of a safetensors file, a folder or index of shards, or a pickle; tensors stay on disk if they can.

    Args:
        unpack: entries of a pickled dictionary that hold tensors; their names get the entry's name as a prefix.

    Raises:
        ContractError: no such file, an unreadable one, a shard that is missing, or a pickle with anything but tensors
            and plain values in it (nothing in it is run).
    """
    if path.is_dir():
        path = _in_folder(path)
    if not path.is_file():
        raise ContractError("weights", str(path), "a file or a folder of weights")
    try:
        if path.name.endswith(".index.json"):
            return _read_shards(path)
        if path.suffix == ".safetensors":
            return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ContractError("weights", f"{path}: {error}", "a readable safetensors file or index") from error
    return _read_pickle(path, unpack)


def _in_folder(folder: Path) -> Path:
    found = sorted(folder.glob("*.index.json")) or sorted(folder.glob("*.safetensors"))
    if len(found) != 1:
        raise ContractError("weights", str(folder), "a folder with one *.index.json or one *.safetensors")
    return found[0]


def _read_shards(index: Path) -> dict[str, Tensor]:
    places: Mapping[str, str] = json.loads(index.read_text())["weight_map"]
    shards = {name: load_file(index.parent / name) for name in sorted(set(places.values()))}
    return {key: shards[name][key] for key, name in places.items()}


def _read_pickle(path: Path, unpack: tuple[str, ...]) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        expected = "a file of tensors and plain values; one that asks to run code is refused, and none of it was run"
        raise ContractError("weights", f"{path}: {reason}", expected) from error
    if not isinstance(content, Mapping):
        raise ContractError("weights", f"{path}: a {type(content).__name__}", "a dictionary of tensors")
    parts = {f"{entry}.": content.get(entry, {}) for entry in unpack} or {"": content}
    return {prefix + k: v for prefix, part in parts.items() for k, v in part.items() if isinstance(v, Tensor)}
