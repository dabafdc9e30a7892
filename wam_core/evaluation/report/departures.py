"""Where a preset is not the shipped one of its name."""

from typing import Any

from wam_core.evaluation.report.study import said_by
from wam_core.preset import Preset


def departures(preset: Preset, shipped: Preset) -> dict[str, tuple[Any, Any]]:
    """Dotted field -> its value and the shipped one, of all fields that say what is trained and differ."""
    own, other = _flat(said_by(preset)), _flat(said_by(shipped))
    fields = sorted(own.keys() | other.keys())
    return {field: (own.get(field), other.get(field)) for field in fields if own.get(field) != other.get(field)}


def _flat(value: Any, field: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {field: value}
    inner = [_flat(v, f"{field}.{k}" if field else k) for k, v in value.items()]
    return {k: v for part in inner for k, v in part.items()}
