"""A checkpoint folder: weights in safetensors beside the preset, robot contract and statistics they belong to."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from wam_core.data.statistics import ColumnStatistics, load_statistics, save_statistics
from wam_core.errors import ContractError
from wam_core.model.wam import WorldActionModel
from wam_core.preset import Preset
from wam_core.presets import build_substrates, from_dict, model_spec
from wam_core.robot.binding import check_statistics
from wam_core.robot.body import Body
from wam_core.robot.contract import RobotContract
from wam_core.robot.embodiment import embodiment_from_dict
from wam_core.robot.robot_file import from_dict as robot_from_dict
from wam_core.substrates.substrate import Substrate
from wam_core.training.batches import chunk_values, statistics_columns

FILES = (
    "model.safetensors",
    "preset.yaml",
    "statistics.json",
    "training.json",
    "first_frame.png",
)
#: Of what it was trained on: a robot's contract, or the embodiment of a benchmark.
ROBOT, EMBODIMENT = "robot.yaml", "embodiment.yaml"
#: Of presets that need more than pictures.
FIRST_CHANNELS = "first_channels.npz"
#: What a trigger learned, beside them.
LEARNED = "trigger.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and what it was trained under.

    Attributes:
        substrates: those of the preset, with their weights.
        statistics: ``proprioception`` columns, and ``action`` columns where the model generates actions.
        training: how it was made: seed, steps, data, vocabulary, instructions and their parts.
        learned: what the preset's trigger keeps of the training data; empty unless it learns.
        first_frame: uint8 ``[H, W*, 3]``, the first laid-out training image: what the blind control sees.
        first_channels: what was sensed with it, of the channels that the preset needs live, ``[...]`` each.
    """

    preset: Preset
    robot: Body
    model: WorldActionModel
    substrates: Mapping[str, Substrate]
    statistics: Mapping[str, ColumnStatistics]
    training: Mapping[str, Any]
    first_frame: NDArray[np.uint8]
    first_channels: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    learned: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if "action" in self.statistics:
            self.model.bind(partial(chunk_values, self.robot, self.statistics["action"]))


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write all of :data:`FILES`, :data:`ROBOT` or :data:`EMBODIMENT`, :data:`FIRST_CHANNELS` where it needs any, and a
    file for each substrate that has weights; weights are stored as bfloat16."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(_half(checkpoint.model.state_dict()), folder / "model.safetensors")
    for name, substrate in _weighted(checkpoint.substrates).items():
        save_file(_half(substrate.state_dict()), folder / f"{name}.safetensors")
    (folder / "preset.yaml").write_text(yaml.safe_dump(checkpoint.preset.to_dict(), sort_keys=False))
    body = ROBOT if isinstance(checkpoint.robot, RobotContract) else EMBODIMENT
    (folder / body).write_text(yaml.safe_dump(checkpoint.robot.to_dict(), sort_keys=False))
    save_statistics(folder / "statistics.json", checkpoint.statistics)
    (folder / "training.json").write_text(json.dumps(dict(checkpoint.training), indent=1))
    if checkpoint.preset.live_channels:
        arrays: dict[str, Any] = {n: checkpoint.first_channels[n] for n in checkpoint.preset.live_channels}
        np.savez(folder / FIRST_CHANNELS, **arrays)
    if checkpoint.learned:
        save_file(dict(checkpoint.learned), folder / LEARNED)
    cv2.imwrite(str(folder / "first_frame.png"), checkpoint.first_frame[:, :, ::-1])


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint folder; weights are computed with in float32.

    Raises:
        ContractError: a file is missing or corrupt, or weights do not fit the preset beside them.
    """
    for name in FILES:
        _check_present(folder, name)
    with _reading("preset.yaml"):
        preset = from_dict(yaml.safe_load((folder / "preset.yaml").read_text()), f"{folder.name}/preset.yaml")
    robot = _body(folder)
    with _reading("training.json"):
        training = json.loads((folder / "training.json").read_text())
        vocabulary = tuple(training["vocabulary"])
    with _reading("statistics.json"):
        statistics = load_statistics(folder / "statistics.json")
    model = WorldActionModel(model_spec(preset, robot, vocabulary))
    substrates = build_substrates(preset, robot)
    load_weights(model, folder / "model.safetensors")
    for name, substrate in _weighted(substrates).items():
        _check_present(folder, f"{name}.safetensors")
        load_weights(substrate, folder / f"{name}.safetensors")
    check_statistics(statistics, statistics_columns(preset, robot))
    picture = cv2.imread(str(folder / "first_frame.png"))
    if picture is None or picture.shape != (*preset.layout.size, 3):
        raise ContractError("checkpoint.first_frame.png", str(folder), f"a picture of {preset.layout.size} pixels")
    first_frame = np.ascontiguousarray(picture[:, :, ::-1], dtype=np.uint8)
    first = _first_channels(folder, preset)
    learned = {}
    if preset.trigger and preset.trigger.learns:
        _check_present(folder, LEARNED)
        learned = _stored(folder / LEARNED)
    return Checkpoint(preset, robot, model.eval(), substrates, statistics, training, first_frame, first, learned)


def _body(folder: Path) -> Body:
    """What the checkpoint was trained on."""
    if (folder / EMBODIMENT).is_file():
        with _reading(EMBODIMENT):
            return embodiment_from_dict(
                yaml.safe_load((folder / EMBODIMENT).read_text()), f"{folder.name}/{EMBODIMENT}"
            )
    _check_present(folder, ROBOT)
    with _reading(ROBOT):
        return robot_from_dict(yaml.safe_load((folder / ROBOT).read_text()), f"{folder.name}/{ROBOT}")


def _first_channels(folder: Path, preset: Preset) -> dict[str, NDArray[np.generic]]:
    if not preset.live_channels:
        return {}
    _check_present(folder, FIRST_CHANNELS)
    with _reading(FIRST_CHANNELS), np.load(folder / FIRST_CHANNELS) as stored:
        return {name: stored[name] for name in preset.live_channels}


def _weighted(substrates: Mapping[str, Substrate]) -> dict[str, Substrate]:
    return {name: substrate for name, substrate in substrates.items() if substrate.state_dict()}


def _check_present(folder: Path, name: str) -> None:
    if not (folder / name).is_file():
        raise ContractError(f"checkpoint.{name}", str(folder), "a checkpoint folder holding this file")


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Whatever a malformed file makes its parser raise becomes one error that names the file."""
    try:
        yield
    except ContractError:
        raise
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}"
        raise ContractError(f"checkpoint.{name}", found, "a file as training wrote it") from error


def load_weights(module: nn.Module, file: Path) -> None:
    """Copy a safetensors file into ``module``; nothing is loaded partially.

    Raises:
        ContractError: unreadable file, or missing, unknown or misshaped keys (the first of each is named).
    """
    stored = _stored(file)
    own = module.state_dict()
    for problem, keys in (("missing", own.keys() - stored.keys()), ("unknown", stored.keys() - own.keys())):
        if keys:
            field = f"checkpoint.{file.name}.{sorted(keys)[0]}"
            raise ContractError(field, problem, f"the {len(own)} keys of the preset")
    for key, value in stored.items():
        if value.shape != own[key].shape:
            raise ContractError(f"checkpoint.{file.name}.{key}", tuple(value.shape), f"shape {tuple(own[key].shape)}")
    module.load_state_dict({k: v.to(own[k].dtype) for k, v in stored.items()})


def _stored(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise ContractError(f"checkpoint.{file.name}", str(error), "a readable safetensors file") from error


def _half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: (v.to(torch.bfloat16) if v.is_floating_point() else v).contiguous() for k, v in state.items()}
