"""A folder that ``wam import`` wrote: :data:`FILES`. The VAE and the text encoder stay where preset and import say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from wam_core.data.statistics import ColumnStatistics, load_statistics, save_statistics
from wam_core.errors import ContractError
from wam_core.model.modalities import TokenShape
from wam_core.model.wam import ModelSpec, WorldActionModel
from wam_core.preset import ACTION, Preset
from wam_core.presets import from_dict
from wam_core.pretrained.conventions import Conventions
from wam_core.pretrained.importer import skeleton
from wam_core.robot.binding import check_statistics
from wam_core.robot.embodiment import Embodiment, embodiment_from_dict

FILES = ("model.safetensors", "preset.yaml", "embodiment.yaml", "statistics.json", "import.json")


@dataclass(frozen=True)
class Published:
    """Weights with what they need; ``origin`` is how they were imported (``import.json``)."""

    preset: Preset
    body: Embodiment
    state: Mapping[str, Tensor]
    statistics: Mapping[str, ColumnStatistics]
    origin: Mapping[str, Any]

    @property
    def conventions(self) -> Conventions:
        """Raises :class:`ContractError` for a preset that has none."""
        if self.preset.published is None:
            raise ContractError("preset.published", None, "a preset for published weights, config/wam/published")
        return self.preset.published


def published_spec(preset: Preset, body: Embodiment) -> ModelSpec:
    """The model that ``preset`` describes, its text embedded outside.

    Raises:
        ContractError: the preset is for another embodiment, or looks at a camera that this one does not have.
    """
    if preset.robot != body.name:
        raise ContractError("preset.robot", preset.robot, f"{body.name!r}, the embodiment in use")
    for camera in preset.layout.cameras:
        body.camera(camera)
    shapes = {name: spec.shape(preset.clip) for name, spec in preset.substrates.items()}
    shapes[ACTION] = TokenShape(0, preset.horizon, (), len(body.action.names))
    parts = (preset.groups, preset.experts, preset.trunk, shapes)
    return ModelSpec(*parts, len(body.proprioception), (), preset.text_length)


def save_published(folder: Path, weights: Published) -> None:
    """Write :data:`FILES`, the weights in the precision they have."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in weights.state.items()}, folder / "model.safetensors")
    (folder / "preset.yaml").write_text(yaml.safe_dump(weights.preset.to_dict(), sort_keys=False))
    (folder / "embodiment.yaml").write_text(yaml.safe_dump(weights.body.to_dict(), sort_keys=False))
    save_statistics(folder / "statistics.json", weights.statistics)
    (folder / "import.json").write_text(json.dumps(dict(weights.origin), indent=1))


def load_published(folder: Path) -> Published:
    """Read :data:`FILES`; the weights stay on disk until they are used.

    Raises:
        ContractError: a file is missing or malformed, or a column lacks statistics.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise ContractError(f"published.{name}", str(folder), "a folder that wam import wrote")
    try:
        preset = from_dict(yaml.safe_load((folder / "preset.yaml").read_text()), f"{folder.name}/preset.yaml")
        body = embodiment_from_dict(yaml.safe_load((folder / "embodiment.yaml").read_text()), "embodiment.yaml")
        statistics = load_statistics(folder / "statistics.json")
        origin = json.loads((folder / "import.json").read_text())
        state = load_file(folder / "model.safetensors")
    except ContractError:
        raise
    except Exception as error:
        raise ContractError("published", f"{folder}: {error}", "a folder that wam import wrote") from error
    check_statistics(statistics, {"action": body.action.names, "state": body.proprioception})
    return Published(preset, body, state, statistics, origin)


def build_model(weights: Published) -> WorldActionModel:
    """The model around the weights; the large ones are not copied.

    Raises:
        ContractError: parts that were never trained (their parameters are not there), or weights of another preset.
    """
    model = skeleton(published_spec(weights.preset, weights.body))
    own = model.state_dict()
    if missing := sorted(own.keys() - weights.state.keys()):
        parts = sorted({".".join(k.split(".")[:3]) for k in missing})
        raise ContractError("published.model.safetensors", parts, "weights of these parts, which such a file lacks")
    for key, value in weights.state.items():
        if key not in own or own[key].shape != value.shape:
            raise ContractError(f"published.model.safetensors.{key}", tuple(value.shape), "those of the preset")
    model.load_state_dict(weights.state, assign=True)
    return finished(model)


def finished(model: WorldActionModel) -> WorldActionModel:
    """A model that was built without memory and has its parameters by now, ready to answer."""
    for name, parameter in model.named_parameters():
        if ".norm3." in name:
            # Affine layer norms compute in float32, whatever the weights' precision; some devices want theirs so too.
            parameter.data = parameter.data.float()
    model.make_angles()
    return model.eval().requires_grad_(False)
