"""Column statistics of actions and proprioception, and the normalisations built on them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wam_core.contract import FloatArray, check_finite
from wam_core.errors import ContractError, look_up

#: A column whose values differ by less than this does not vary; it normalises to 0 and comes back as its mean.
CONSTANT_RANGE = 1e-6

#: ``floored_z_score`` divides by no less than this (m, rad, fraction): a column that merely trembles, such as the
#: tilt of a tool held upright, would otherwise weigh as much as the motion.
LEAST_STD = 0.01


@dataclass(frozen=True)
class ColumnStatistics:
    """Per column, ``[D]`` each, in the unit of the column; ``constant`` marks columns that do not vary.

    Raises:
        ContractError: a value is not finite, lengths differ, or min <= q01 <= q99 <= max or std > 0 does not hold.
    """

    names: tuple[str, ...]
    mean: FloatArray
    std: FloatArray
    min: FloatArray
    max: FloatArray
    q01: FloatArray
    q99: FloatArray
    constant: tuple[bool, ...]

    def __post_init__(self) -> None:
        for name in ("mean", "std", "min", "max", "q01", "q99"):
            values = getattr(self, name)
            if values.shape != (len(self.names),):
                raise ContractError(f"statistics.{name}", values.shape, f"one value for each of {self.names}")
            check_finite(f"statistics.{name}", values)
        if len(self.constant) != len(self.names):
            raise ContractError("statistics.constant", self.constant, f"one flag for each of {self.names}")
        for i, name in enumerate(self.names):
            order = [float(v[i]) for v in (self.min, self.q01, self.q99, self.max)]
            if order != sorted(order):
                raise ContractError(f"statistics.{name}", order, "min <= q01 <= q99 <= max")
            if not self.constant[i] and self.std[i] <= 0:
                expected = "above 0, or a column declared constant"
                raise ContractError(f"statistics.{name}.std", float(self.std[i]), expected)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists; :func:`statistics_from_dict` reads them back without loss."""
        return {k: v.tolist() if isinstance(v, np.ndarray) else list(v) for k, v in asdict(self).items()}


def column_statistics(names: tuple[str, ...], values: FloatArray) -> ColumnStatistics:
    """Statistics of ``[N, D]`` with N >= 1.

    Raises:
        ContractError: no row, another number of columns than names, or a value that is not finite.
    """
    if values.ndim != 2 or not len(values) or values.shape[1] != len(names):
        raise ContractError("statistics.values", values.shape, f"[N >= 1, {len(names)}]")
    check_finite("statistics.values", values)
    low, high = values.min(axis=0), values.max(axis=0)
    quantiles = np.clip(np.quantile(values, (0.01, 0.99), axis=0), low, high)
    constant = tuple(bool(c) for c in high - low < CONSTANT_RANGE)
    mean = np.clip(values.mean(axis=0), low, high)
    return ColumnStatistics(names, mean, values.std(axis=0), low, high, quantiles[0], quantiles[1], constant)


def statistics_from_dict(raw: Mapping[str, Any]) -> ColumnStatistics:
    """Read :meth:`ColumnStatistics.to_dict` back, with all checks."""
    known = ColumnStatistics.__dataclass_fields__
    if set(raw) != set(known):
        raise ContractError("statistics", sorted(raw), f"the fields {sorted(known)}")
    arrays = {k: np.asarray(v, np.float64) for k, v in raw.items() if k not in ("names", "constant")}
    return ColumnStatistics(names=tuple(raw["names"]), constant=tuple(bool(c) for c in raw["constant"]), **arrays)


def save_statistics(path: Path, tables: Mapping[str, ColumnStatistics]) -> None:
    """Write e.g. ``{"action": ..., "proprioception": ...}`` as JSON."""
    path.write_text(json.dumps({name: table.to_dict() for name, table in tables.items()}, indent=1))


def load_statistics(path: Path) -> dict[str, ColumnStatistics]:
    return {name: statistics_from_dict(raw) for name, raw in json.loads(path.read_text()).items()}


def _z_score(s: ColumnStatistics) -> tuple[FloatArray, FloatArray]:
    return s.mean, s.std


def _min_max(s: ColumnStatistics) -> tuple[FloatArray, FloatArray]:
    return (s.min + s.max) / 2, (s.max - s.min) / 2


def _quantile(s: ColumnStatistics) -> tuple[FloatArray, FloatArray]:
    return (s.q01 + s.q99) / 2, (s.q99 - s.q01) / 2


def _floored_z_score(s: ColumnStatistics) -> tuple[FloatArray, FloatArray]:
    return s.mean, np.maximum(s.std, LEAST_STD)


#: Method -> (offset, scale): ``z_score`` has mean 0 and std 1, ``floored_z_score`` mean 0 and std at most 1; the others
#: map their range to [-1, 1].
METHODS: Mapping[str, Callable[[ColumnStatistics], tuple[FloatArray, FloatArray]]] = {
    "z_score": _z_score,
    "floored_z_score": _floored_z_score,
    "min_max": _min_max,
    "quantile": _quantile,
}


def offset_and_scale(statistics: ColumnStatistics, method: str) -> tuple[FloatArray, FloatArray]:
    """``[D]`` each: normalised = (value - offset) / scale. A constant column has its mean and an infinite scale.

    A column that varies, but so rarely that its q01 and q99 meet, is scaled by its whole range under ``quantile``.
    """
    offset, scale = look_up(METHODS, method, "normalisation")(statistics)
    narrow = scale < CONSTANT_RANGE
    if np.any(narrow):
        whole_offset, whole_scale = _min_max(statistics)
        offset, scale = np.where(narrow, whole_offset, offset), np.where(narrow, whole_scale, scale)
    constant = np.array(statistics.constant, dtype=bool)
    return np.where(constant, statistics.mean, offset), np.where(constant, np.inf, scale)


def normalise(statistics: ColumnStatistics, values: FloatArray, method: str) -> FloatArray:
    """``[..., D]`` to model range; constant columns become 0. Nothing is clipped."""
    offset, scale = offset_and_scale(statistics, method)
    return (values - offset) / scale


def denormalise(statistics: ColumnStatistics, values: FloatArray, method: str) -> FloatArray:
    """Inverse of :func:`normalise`; constant columns become their mean, whatever the model said."""
    offset, scale = offset_and_scale(statistics, method)
    return offset + np.where(np.isinf(scale), 0.0, values * np.where(np.isinf(scale), 0.0, scale))
