"""A benchmark's robot as its simulator and its data have it: cameras and numbers, without what a contract describes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from wam_core.errors import ContractError, look_up
from wam_core.fields import exact_fields, read
from wam_core.paths import share_path
from wam_core.robot.body import ActionSpec
from wam_core.robot.senses import Sense


@dataclass(frozen=True)
class View:
    """One camera image as models are shown it, before it is laid out."""

    name: str
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


@dataclass(frozen=True)
class Embodiment:
    """What a model must know of a benchmark's robot, and all that it may: no joints, limits or geometry.

    Attributes:
        action: its space is none of ours, so no executor takes it for one.
        proprioception: columns of the state, in order.
        action_hz: steps of its simulator a second.
        binary: columns of the action that are either 0 or 1.
    """

    name: str
    action: ActionSpec
    proprioception: tuple[str, ...]
    cameras: tuple[View, ...]
    action_hz: float
    binary: tuple[str, ...] = ()

    @property
    def senses(self) -> tuple[Sense, ...]:
        """None beside cameras and state."""
        return ()

    @property
    def step_ns(self) -> int:
        """Time between two chunk steps."""
        return round(1e9 / self.action_hz)

    def camera(self, name: str) -> View:
        return look_up({v.name: v for v in self.cameras}, name, "camera")

    def to_dict(self) -> dict[str, Any]:
        """Plain lists; :func:`embodiment_from_dict` reads it back."""
        raw = asdict(self)
        raw["action"]["names"] = list(self.action.names)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in raw.items()}


def load_embodiment(name_or_path: str) -> Embodiment:
    """Read ``config/embodiments/<name>.yaml`` or a file given by path.

    Raises:
        ContractError: unknown name, missing or unknown field, a rate that is none, a binary column that is no column.
    """
    path = Path(name_or_path)
    if path.suffix != ".yaml":
        files = {p.stem: p for p in share_path("config/embodiments").glob("*.yaml")}
        path = look_up(files, name_or_path, "embodiment")
    return embodiment_from_dict(yaml.safe_load(path.read_text()), path.stem)


def embodiment_from_dict(raw: Mapping[str, Any], source: str) -> Embodiment:
    """Build and check; errors name ``source`` and the field."""
    values = exact_fields(Embodiment, raw, source)
    action = read(ActionSpec, values.pop("action"), f"{source}.action")
    cameras = tuple(read(View, v, f"{source}.cameras") for v in values.pop("cameras"))
    made = read(Embodiment, {**values, "action": action, "cameras": list(cameras)}, source)
    if not made.action_hz > 0.0:
        raise ContractError(f"{source}.action_hz", made.action_hz, "a positive number")
    for column in made.binary:
        if column not in made.action.names:
            raise ContractError(f"{source}.binary", column, f"one of {', '.join(made.action.names)}")
    return made
