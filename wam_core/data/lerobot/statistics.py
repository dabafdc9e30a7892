"""Statistics of columns as LeRobot keeps them: of an episode, and of many from theirs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray

Statistics = Mapping[str, FloatArray]

QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
#: Images of an episode that are looked at.
SAMPLED = 100


def of_column(values: NDArray[Any]) -> Statistics:
    """Per column of ``[N]`` or ``[N, D]``: ``[D]`` each, and ``count [1]``."""
    return _of(values.reshape(len(values), -1).astype(np.float64))


def of_images(images: NDArray[np.uint8]) -> Statistics:
    """Per colour channel, 0 .. 1, of uint8 ``[N, H, W, 3]``: ``[3, 1, 1]`` each; the count is of images."""
    chosen = np.linspace(0, len(images) - 1, min(len(images), SAMPLED)).round().astype(int)
    found = _of(images[chosen].reshape(-1, 3) / 255.0)
    return {name: value.reshape(3, 1, 1) for name, value in found.items() if name != "count"} | {
        "count": np.array([len(chosen)])
    }


def merged(found: Sequence[Statistics]) -> Statistics:
    """Of all rows together (Chan et al. 1979); quantiles are the mean of the episodes', as LeRobot has them."""
    counts = np.concatenate([one["count"] for one in found])
    weights = counts / counts.sum()

    def mean(values: Sequence[FloatArray]) -> FloatArray:
        return np.asarray(np.tensordot(weights, np.stack(values), 1), np.float64)

    average = mean([one["mean"] for one in found])
    whole = {
        "min": np.min([one["min"] for one in found], axis=0),
        "max": np.max([one["max"] for one in found], axis=0),
        "mean": average,
        "std": np.sqrt(mean([one["std"] ** 2 + (one["mean"] - average) ** 2 for one in found])),
        "count": np.array([counts.sum()]),
    }
    return whole | {name: mean([one[name] for one in found]) for name in _names()}


def as_lists(found: Statistics) -> dict[str, Any]:
    """For JSON and parquet."""
    return {name: value.tolist() for name, value in found.items()}


def _of(values: FloatArray) -> dict[str, FloatArray]:
    quantiles = np.quantile(values, QUANTILES, axis=0)
    return {
        "min": values.min(axis=0),
        "max": values.max(axis=0),
        "mean": values.mean(axis=0),
        "std": values.std(axis=0),
        "count": np.array([len(values)]),
        **dict(zip(_names(), quantiles, strict=True)),
    }


def _names() -> list[str]:
    return [f"q{round(100 * q):02d}" for q in QUANTILES]
