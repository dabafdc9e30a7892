"""From a camera's stamp to the chunk where it is executed: where the time goes, by stamps of one clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from wam_core.contract import FloatArray
from wam_core.errors import ContractError

#: What ends at each stamp, in order; the first is the camera's.
STAGES: Mapping[str, str] = {
    "captured": "the camera's stamp",
    "received": "its message was filled, sent and read by wam_inference, the last camera's",
    "taken": "the inference thread woke and made the observation",
    "pictured": "images were decoded and laid out",
    "answered": "the model made a chunk",
    "published": "its message was made and handed to the middleware",
    "heard": "it was read where the executor takes it",
}
#: The stage that is the model's own.
MODEL = "answered"
#: All else may take this share of the model's time, or so many ms, whichever is more.
SHARE, LEAST_MS = 0.1, 8.0


@dataclass(frozen=True)
class Spread:
    """Median and 95th percentile, ms."""

    median: float
    p95: float


@dataclass(frozen=True)
class Passages:
    """What became of the chunks that were measured.

    Attributes:
        stages: name in :data:`STAGES` -> time since the stamp before it.
        total: from the first stamp to the last. rest: all of that but the model's.
        allowed_ms: what ``rest`` may take at the median.
    """

    chunks: int
    stages: Mapping[str, Spread]
    total: Spread
    rest: Spread
    allowed_ms: float

    @property
    def holds(self) -> bool:
        """Whether everything but the model is as short as it may be."""
        return self.rest.median <= self.allowed_ms


def passages(stamps: Sequence[Mapping[str, int]]) -> Passages:
    """Sum up the stamps (ns) of each chunk, by the names of :data:`STAGES`.

    Raises:
        ContractError: there is no chunk, a stamp is missing, or one is before the one that it follows.
    """
    if not stamps:
        raise ContractError("stamps", 0, "at least one chunk")
    for name in STAGES:
        if any(name not in one for one in stamps):
            raise ContractError(f"stamps.{name}", None, "a stamp of every chunk")
    rows = [[one[name] for name in STAGES] for one in stamps]
    times = 1e-6 * np.array([[after - before for before, after in pairwise(row)] for row in rows], np.float64)
    names = list(STAGES)[1:]
    if (times < 0.0).any():
        chunk, stage = (int(k) for k in np.argwhere(times < 0.0)[0])
        raise ContractError(f"stamps.{names[stage]}", float(times[chunk, stage]), "ms of a clock that goes forward")
    model, total = times[:, names.index(MODEL)], times.sum(axis=1)
    stages = {name: _spread(times[:, k]) for k, name in enumerate(names)}
    allowed = max(LEAST_MS, SHARE * float(np.median(model)))
    return Passages(len(stamps), stages, _spread(total), _spread(total - model), allowed)


def _spread(values: FloatArray) -> Spread:
    return Spread(float(np.median(values)), float(np.quantile(values, 0.95)))
