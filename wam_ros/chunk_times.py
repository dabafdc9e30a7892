"""How long chunks and the futures that belong to them took, since a model was taken into use."""

from wam_ros.histogram import Histogram

#: Share of the newest latency in the running estimate.
LATENCY_WEIGHT = 0.2


class ChunkTimes:
    """``expected_s``: of the next chunk, by the last ones."""

    def __init__(self) -> None:
        self._chunks, self._futures = Histogram(), Histogram()
        self.expected_s = 0.0

    def answered(self, seconds: float) -> None:
        """A chunk was made."""
        weight = LATENCY_WEIGHT if self._chunks.count else 1.0
        self._chunks.add(seconds)
        self.expected_s += weight * (seconds - self.expected_s)

    def imagined(self, seconds: float) -> None:
        """Its futures were."""
        self._futures.add(seconds)

    def values(self) -> dict[str, object]:
        """For diagnostics."""
        return {
            "inference p50 (ms)": 1e3 * self._chunks.quantile(0.5),
            "inference p95 (ms)": 1e3 * self._chunks.quantile(0.95),
            "imagination p50 (ms)": 1e3 * self._futures.quantile(0.5),
        }
