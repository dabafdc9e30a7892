"""What published weights were trained on: cameras and numbers, without the robot that a contract describes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from wam_core.errors import ContractError, look_up
from wam_core.fields import exact_fields, read
from wam_core.paths import share_path


@dataclass(frozen=True)
class View:
    """One camera image as the weights were shown it, before it is laid out."""

    name: str
    width: int
    height: int


@dataclass(frozen=True)
class Embodiment:
    """A benchmark's robot as its data set holds it.

    Attributes:
        space: what an action is, in words; not one of our action spaces, so no executor takes it for one.
        action, state: columns in order.
        binary: columns of the action that are either 0 or 1.
    """

    name: str
    space: str
    views: tuple[View, ...]
    action: tuple[str, ...]
    state: tuple[str, ...]
    binary: tuple[str, ...] = ()

    def camera(self, name: str) -> View:
        return look_up({v.name: v for v in self.views}, name, "camera")

    def to_dict(self) -> dict[str, Any]:
        """Plain lists; :func:`embodiment_from_dict` reads it back."""
        raw = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in raw.items()}


def load_embodiment(name_or_path: str) -> Embodiment:
    """Read ``config/embodiments/<name>.yaml`` or a file given by path.

    Raises:
        ContractError: unknown name, missing or unknown field, a binary column that is no column.
    """
    path = Path(name_or_path)
    if path.suffix != ".yaml":
        files = {p.stem: p for p in share_path("config/embodiments").glob("*.yaml")}
        path = look_up(files, name_or_path, "embodiment")
    return embodiment_from_dict(yaml.safe_load(path.read_text()), path.stem)


def embodiment_from_dict(raw: Mapping[str, Any], source: str) -> Embodiment:
    """Build and check; errors name ``source`` and the field."""
    values = exact_fields(Embodiment, raw, source)
    views = tuple(read(View, v, f"{source}.views") for v in values.pop("views"))
    made = read(Embodiment, {**values, "views": list(views)}, source)
    for column in made.binary:
        if column not in made.action:
            raise ContractError(f"{source}.binary", column, f"one of {', '.join(made.action)}")
    return made
