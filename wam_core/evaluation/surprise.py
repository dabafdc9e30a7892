"""Surprise: errors of what was imagined, by the errors that are usual where nothing disturbs; a model's usual ones are
learned from undisturbed episodes and kept beside its weights.

A pixel's error is held against the error that almost all pixels stay below of which as much change was foreseen: where
a camera was to show what it showed before, a small error is a great surprise; where the model foresaw much, or its
pictures blur because it does not know, only a great one is.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from wam_core.contract import FloatArray
from wam_core.errors import ContractError
from wam_core.evaluation.comparison import Comparison
from wam_core.evaluation.film_strip import Image

#: Foreseen changes between which the usual error is told apart.
CHANGES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
#: The share of pixels that stay below the usual error, and of undisturbed episodes that stay below a surprise of 1.
USUAL, CALM = 0.995, 0.95
#: Rows and columns of the regions of a camera's picture.
GRID = (4, 4)
#: Errors below this (one step of a colour) are none.
LEAST = 1.0 / 255.0
#: One pixel in so many is learned from; neighbours say the same.
THINNED = 5
#: Beside a checkpoint's weights.
FILE = "usual.json"


@dataclass(frozen=True)
class Usual:
    """What a model errs where nothing disturbs.

    Attributes:
        levels: camera -> for each of the ``len(CHANGES) + 1`` classes of foreseen change, the error that the share
            :data:`USUAL` of pixels stays below.
        alarm: times these, the highest error that the share :data:`CALM` of undisturbed episodes stays below.
        episodes: from how many it was learned. digest: of the checkpoint it belongs to.
    """

    levels: Mapping[str, Sequence[float]]
    alarm: float
    episodes: int
    digest: str

    def times(self, camera: str, error: FloatArray, foreseen: FloatArray) -> FloatArray:
        """``[h, w]`` errors in units of what is usual; NaN for a camera of which nothing was learned."""
        if camera not in self.levels:
            return np.full(error.shape, np.nan)
        return np.asarray(error / np.asarray(self.levels[camera])[np.digitize(foreseen, CHANGES)])


@dataclass(frozen=True)
class Surprise:
    """A comparison, judged.

    Attributes:
        value: of the greatest region. 1 is what one undisturbed episode in twenty comes to; NaN where nobody knows what
            is usual.
        regions: ``camera/row/column`` of a grid of :data:`GRID` -> greatest surprise in it; NaN where it shows nothing
            but what is the arm's own doing.
        maps: camera -> surprise of each pixel ``[h, w]``.
    """

    comparison: Comparison
    value: float
    regions: Mapping[str, float]
    maps: Mapping[str, FloatArray]


def judge(comparison: Comparison, usual: Usual | None) -> Surprise:
    """The one function behind what is published, drawn and measured."""
    maps = {
        name: np.full(error.shape, np.nan)
        if usual is None
        else usual.times(name, error, comparison.foreseen[name]) / usual.alarm
        for name, error in comparison.errors.items()
    }
    regions = {
        f"{name}/{row}/{column}": _greatest(found[top:bottom, left:right])
        for name, found in maps.items()
        for (row, column), (top, left, bottom, right) in region_boxes(found.shape).items()
    }
    return Surprise(comparison, _greatest(np.array(list(regions.values()))), regions, maps)


def learn(episodes: Sequence[Sequence[Comparison]], digest: str) -> Usual:
    """What is usual, from undisturbed episodes.

    Args:
        digest: of the checkpoint that imagined them.

    Raises:
        ContractError: no episode in which anything was compared.
    """
    everything = [comparison for episode in episodes for comparison in episode]
    if not everything:
        raise ContractError("episodes", len(episodes), "one or more in which pictures were imagined and then measured")
    levels = {name: _levels(everything, name) for name in everything[0].errors}
    usual = Usual(levels, 1.0, len(episodes), digest)
    peaks = [max(judge(comparison, usual).value for comparison in episode) for episode in episodes if episode]
    return Usual(levels, float(np.quantile(peaks, CALM)), len(episodes), digest)


def save_usual(folder: Path, usual: Usual) -> None:
    (folder / FILE).write_text(json.dumps(asdict(usual), indent=1) + "\n")


def load_usual(folder: Path, digest: str) -> Usual | None:
    """What is usual for the checkpoint of that digest in a folder, None where nobody learned it.

    Raises:
        ContractError: the file is damaged, or was learned with other weights.
    """
    if not (folder / FILE).is_file():
        return None
    try:
        usual = Usual(**json.loads((folder / FILE).read_text()))
        sizes = {len(levels) for levels in usual.levels.values()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ContractError(f"checkpoint.{FILE}", str(error), "a file as `wam bench surprise` wrote it") from error
    if sizes != {len(CHANGES) + 1} or not usual.alarm > 0.0:
        expected = f"{len(CHANGES) + 1} levels for each camera, and an alarm"
        raise ContractError(f"checkpoint.{FILE}", (sizes, usual.alarm), expected)
    if usual.digest != digest:
        expected = f"{digest[:12]}, the weights beside it: `wam bench surprise learn:=20` learns it again"
        raise ContractError(f"checkpoint.{FILE}.digest", usual.digest[:12], expected)
    return usual


def overlay(surprise: Surprise) -> Mapping[str, Image]:
    """Each camera's measured picture, reddened by its surprise, regions above 1 framed.

    Where nobody knows what is usual it is reddened by its error, and nothing is framed.
    """
    red = np.array([255.0, 0.0, 0.0])
    pictures = {}
    for name, picture in surprise.comparison.measured.items():
        known = not math.isnan(surprise.value)
        strength = 0.8 * surprise.maps[name] ** 2 if known else 3.0 * surprise.comparison.errors[name]
        share = np.clip(np.nan_to_num(strength), 0.0, 0.8)[:, :, None]
        pictures[name] = np.ascontiguousarray(((1.0 - share) * picture + share * red).astype(np.uint8))
        for (row, column), (top, left, bottom, right) in region_boxes(picture.shape[:2]).items():
            if surprise.regions[f"{name}/{row}/{column}"] > 1.0:
                cv2.rectangle(pictures[name], (left, top), (right - 1, bottom - 1), (255, 0, 0), 1)
    return pictures


def region_boxes(size: tuple[int, ...]) -> Mapping[tuple[int, int], tuple[int, int, int, int]]:
    """(row, column) of each region -> its (top, left, bottom, right) in a picture of ``size`` (height, width)."""
    y, x = (
        np.linspace(0, length, parts + 1).round().astype(int).tolist() for length, parts in zip(size, GRID, strict=True)
    )
    return {(r, c): (y[r], x[c], y[r + 1], x[c + 1]) for r in range(GRID[0]) for c in range(GRID[1])}


def _levels(comparisons: Sequence[Comparison], camera: str) -> list[float]:
    """Usual errors of one camera; a class of which nothing was seen has the greatest of the others."""
    errors = np.concatenate([c.errors[camera].ravel()[::THINNED] for c in comparisons])
    classes = np.concatenate([np.digitize(c.foreseen[camera].ravel()[::THINNED], CHANGES) for c in comparisons])
    counted = np.isfinite(errors)
    by_class = [errors[counted & (classes == i)] for i in range(len(CHANGES) + 1)]
    levels = [max(float(np.quantile(found, USUAL)), LEAST) if len(found) else None for found in by_class]
    greatest = max((level for level in levels if level is not None), default=1.0)
    return [greatest if level is None else level for level in levels]


def _greatest(values: FloatArray) -> float:
    told = values[np.isfinite(values)]
    return float(told.max()) if told.size else math.nan
