"""What rows say together: rates and differences with intervals that know that training, too, is a matter of chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wam_core.evaluation.intervals import wilson_interval

#: Bootstrap samples.
SAMPLES = 4000

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval, over ``trainings`` of ``episodes`` each."""

    mean: float
    low: float
    high: float
    trainings: int
    episodes: int

    @property
    def told_apart(self) -> bool:
        """Whether zero is outside."""
        return self.low > 0 or self.high < 0


def outcomes(rows: Rows, arm: str, demonstrations: int, condition: str) -> dict[int, list[int]]:
    """Training seed -> whether each episode succeeded, all tasks after each other, in the same order for every arm."""
    return {
        row["seed"]: [x for episodes in row["success"][condition].values() for x in episodes]
        for row in rows
        if row["arm"] == arm and row["demonstrations"] == demonstrations and condition in row["success"]
    }


def rate(found: Mapping[int, Sequence[int]]) -> Estimate | None:
    """Success over all trainings; None where there are none.

    The interval is a hierarchical bootstrap (trainings, and episodes within each), and no narrower than Wilson's of all
    episodes, so that a bare zero is not certain.
    """
    if not found:
        return None
    good = np.array([found[seed] for seed in sorted(found)], float)
    low, high = _interval(good)
    least, most = wilson_interval(int(good.sum()), good.size)
    return Estimate(float(good.mean()), min(low, least), max(high, most), *good.shape)


def difference(first: Mapping[int, Sequence[int]], second: Mapping[int, Sequence[int]]) -> Estimate | None:
    """Success of the first less that of the second, over the training seeds that both have; None where there are none.

    Paired: a seed means the same demonstrations in the same order, an episode the same scene.
    """
    both = sorted(set(first) & set(second))
    if not both:
        return None
    apart = np.array([first[s] for s in both], float) - np.array([second[s] for s in both], float)
    return Estimate(float(apart.mean()), *_interval(apart), *apart.shape)


def level(found: Mapping[str, Mapping[int, Sequence[int]]]) -> list[str]:
    """The arms that the intervals do not tell apart from the one with the highest mean, the highest first."""
    means = {arm: np.mean(list(outcome.values())) for arm, outcome in found.items() if outcome}
    ordered = sorted(means, key=lambda arm: -means[arm])
    apart = {arm: difference(found[ordered[0]], found[arm]) for arm in ordered[1:]}
    return [*ordered[:1], *(arm for arm, gap in apart.items() if gap is not None and not gap.told_apart)]


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Of the mean of ``[trainings, episodes]``."""
    rng, (trainings, episodes) = np.random.default_rng(0), values.shape
    drawn = rng.integers(trainings, size=(SAMPLES, trainings, 1))
    within = rng.integers(episodes, size=(SAMPLES, trainings, episodes))
    low, high = np.quantile(values[drawn, within].mean(axis=(1, 2)), (0.025, 0.975))
    return float(low), float(high)
