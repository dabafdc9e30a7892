"""Success against latency, as `wam bench curve` measured it, and the point of it that holds a budget."""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wam_core.dial import Dial
from wam_core.errors import ContractError

#: The curve beside a checkpoint.
CURVE = "curve.json"
#: Share of a budget that a point may take before it is gone to: it must not be left again for a little noise.
HEADROOM = 0.9
#: So many chunks tell how slow this machine is; so few are waited for after a change before the next one.
WINDOW, LEAST = 20, 5
#: This share of chunks is to be within the budget.
SHARE = 0.95


@dataclass(frozen=True)
class Point:
    """One dial, measured.

    Attributes:
        success: share of episodes; interval: 95 % (Wilson). failed: task -> seeds of the episodes that failed.
        median_ms, p95_ms: of a chunk, on the machine and in the hour of the measurement.
        ratio, ratio_interval: how many times longer than the first point's, median of paired rounds, 95 %.
    """

    dial: Dial
    success: float
    interval: tuple[float, float]
    failed: Mapping[str, tuple[int, ...]]
    median_ms: float
    p95_ms: float
    ratio: float
    ratio_interval: tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """Points of one checkpoint.

    Attributes:
        model: the preset. digest: of the checkpoint (:func:`wam_core.provenance.checkpoint_digest`).
        frozen: success and its interval with the cameras frozen: what needs no eyes.
        measured: when and how, for whoever reads it.
    """

    model: str
    digest: str
    points: tuple[Point, ...]
    frozen: tuple[float, tuple[float, float]]
    measured: Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """A point, how long its chunks are expected to take here, and whether that is within the budget."""

    point: Point
    expected_ms: float
    fits: bool


def usual_ms(points: Sequence[Point], point: Point) -> float:
    """What a chunk took when the curve was measured, by its ratio to the first point's, which was timed beside it: a
    median alone may be of a slower minute."""
    return points[0].median_ms * point.ratio


def choose(points: Sequence[Point], budget_ms: float, slowness: float, current: Point | None = None) -> Choice:
    """The point with the highest success of those that fit, the cheaper of equals; if none fits the fastest.

    Whoever is at a point stays as long as it fits, and goes to a better one only if that leaves some of the budget: a
    machine whose speed varies by less than :data:`HEADROOM` is never sent up and down.

    Args:
        slowness: how many times as long as on the curve chunks take here and now.
        current: the point in use.
    """
    expected = {id(p): slowness * usual_ms(points, p) for p in points}
    stays = current is not None and slowness * usual_ms(points, current) <= budget_ms

    def limit(point: Point) -> float:
        return HEADROOM * budget_ms if stays and point != current else budget_ms

    fitting = [p for p in points if expected[id(p)] <= limit(p)]
    best = max(fitting or [min(points, key=lambda p: p.ratio)], key=lambda p: (p.success, -p.ratio))
    return Choice(best, expected[id(best)], bool(fitting))


class LatencyBudget:
    """Holds the chunks of one model to a budget, by how long they take.

    The curve says how points compare; how slow this machine is, its own last chunks say.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = tuple(points)
        self._slowness: deque[float] = deque(maxlen=WINDOW)
        self._choice: Choice | None = None
        self._budget_ms, self._since = 0.0, 0

    @property
    def slowness(self) -> float:
        """How many times as long as on the curve all but the slowest chunks take; 1 before there was any."""
        return float(np.quantile(self._slowness, SHARE, method="lower")) if self._slowness else 1.0

    def choice(self, budget_ms: float) -> Choice:
        """For the next chunk; it changes only when enough chunks have been made since it changed last."""
        before = self._choice
        if before is None or budget_ms != self._budget_ms or self._since >= LEAST:
            made = choose(self._points, budget_ms, self.slowness, before.point if before else None)
            if before is None or made.point != before.point:
                self._since = 0
            self._choice, self._budget_ms = made, budget_ms
        assert self._choice is not None
        return self._choice

    def took(self, milliseconds: float) -> None:
        """The chunk at the last choice took so long."""
        if self._choice is not None:
            self._slowness.append(milliseconds / usual_ms(self._points, self._choice.point))
            self._since += 1


def save_curve(path: Path, curve: Curve) -> None:
    path.write_text(json.dumps(asdict(curve), indent=1) + "\n")


def load_curve(path: Path) -> Curve:
    """Raises :class:`ContractError` for a file that is not there, or is no curve."""
    if not path.is_file():
        raise ContractError("curve", str(path), "a file that `wam bench curve` wrote")
    try:
        raw = json.loads(path.read_text())
        points = tuple(_point(p) for p in raw["points"])
        rate, (low, high) = raw["frozen"]
        curve = Curve(raw["model"], raw["digest"], points, (rate, (low, high)), raw["measured"])
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError("curve", str(path), f"a file that `wam bench curve` wrote ({error})") from error
    if not points or any(not min(p.median_ms, p.ratio) > 0.0 for p in points):
        raise ContractError("curve.points", str(path), "at least one, each with a latency above 0 ms")
    return curve


def _point(raw: Mapping[str, Any]) -> Point:
    failed = {task: tuple(seeds) for task, seeds in raw["failed"].items()}
    pairs = {name: tuple(raw[name]) for name in ("interval", "ratio_interval")}
    return Point(**{**raw, "dial": Dial(**raw["dial"]), "failed": failed, **pairs})
