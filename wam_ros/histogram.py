"""Durations counted in bins that grow by 5 %: constant memory and time, percentiles within 2.5 %."""

import math

SMALLEST_S, GROWTH = 1e-6, 1.05
_LOG_GROWTH = math.log(GROWTH)
_BINS = 500


class Histogram:
    def __init__(self) -> None:
        self._bins = [0] * _BINS
        self.count = 0
        self.max_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration; negative ones count as zero."""
        index = 0 if seconds <= SMALLEST_S else min(int(math.log(seconds / SMALLEST_S) / _LOG_GROWTH) + 1, _BINS - 1)
        self._bins[index] += 1
        self.count += 1
        self.max_s = max(self.max_s, seconds)

    def quantile(self, share: float) -> float:
        """Duration (s) that ``share`` (0..1) of all do not exceed; NaN before the first."""
        if self.count == 0:
            return math.nan
        wanted, seen = share * self.count, 0
        for index, count in enumerate(self._bins):
            seen += count
            if seen >= wanted:
                return min(SMALLEST_S * GROWTH ** (index - 0.5), self.max_s) if index else 0.0
        return self.max_s
