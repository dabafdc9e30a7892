"""Uncertainty of measured rates and ratios."""

import math

import numpy as np

from wam_core.contract import FloatArray


def wilson_interval(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson 1927); (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    rate, z2 = successes / trials, z * z
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = z / (1 + z2 / trials) * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def median_ratio(ratios: FloatArray, seed: int) -> tuple[float, tuple[float, float]]:
    """The median of paired ratios ``[R]`` and its 95 % interval (bootstrap)."""
    rng = np.random.default_rng(seed)
    medians = [np.median(rng.choice(ratios, len(ratios))) for _ in range(1000)]
    low, high = np.quantile(medians, (0.025, 0.975))
    return float(np.median(ratios)), (float(low), float(high))
