"""Time alignment: a chunk as a smooth function of time (cubic Hermite between steps, late steps dropped by stamp)."""

import math
from bisect import bisect_right
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from wam_core.contract import ActionChunk, FloatArray

#: After its last step a track settles on it as a critically damped system would, with this time constant (s).
SETTLE_S = 0.05
#: Of two rotation vectors shorter than this (rad), neither is nearer to the other when turned the other way round.
LEAST_TURN = 0.5 * math.pi


class Sample(NamedTuple):
    """Values of an action space at one instant and their rates per second, ``[N]`` each."""

    values: FloatArray
    rates: FloatArray


class Track(NamedTuple):
    """Knots of one chunk in ns and cubic coefficients between them.

    Attributes:
        times_ns: ``K`` increasing knot times.
        coefficients: ``[K - 1, 4, N]``, powers 0..3 of seconds since the knot.
        first, last: samples at the ends; before the first knot the track goes on backwards along its rate.
    """

    times_ns: tuple[int, ...]
    coefficients: FloatArray
    first: Sample
    last: Sample

    @property
    def end_ns(self) -> int:
        return self.times_ns[-1]

    def knots(self) -> FloatArray:
        """``[K, N]`` values at the knots."""
        return np.vstack([self.coefficients[:, 0], self.last.values])

    def sample(self, now_ns: int) -> Sample:
        """Values and rates at ``now_ns``."""
        if now_ns >= self.times_ns[-1]:
            t = (now_ns - self.times_ns[-1]) * 1e-9
            values, rates = self.last
            fade = float(np.exp(-t / SETTLE_S))
            return Sample(values + rates * (t * fade), rates * (fade * (1.0 - t / SETTLE_S)))
        if now_ns < self.times_ns[0]:
            t = (now_ns - self.times_ns[0]) * 1e-9
            return Sample(self.first.values + self.first.rates * t, self.first.rates)
        index = bisect_right(self.times_ns, now_ns) - 1
        t = (now_ns - self.times_ns[index]) * 1e-9
        powers = np.array(((1.0, t, t * t, t * t * t), (0.0, 1.0, 2.0 * t, 3.0 * t * t)))
        values, rates = powers @ self.coefficients[index]
        return Sample(values, rates)


def coast(sample: Sample, now_ns: int) -> Track:
    """A track that settles from a moving sample."""
    return Track((now_ns,), np.zeros((0, 4, len(sample.values))), sample, sample)


def track_of(chunk: ActionChunk, now_ns: int, current: Sample, lead_ns: int) -> Track:
    """The chunk from ``now_ns`` on.

    When the first step still to come is at least ``lead_ns`` ahead of now and nothing of the chunk is due earlier, or
    only one step remains, the track starts at ``current`` and reaches that step at its due time, but never in less than
    ``lead_ns``: a late stamp must not be executed fast. Otherwise it runs through the chunk's own steps and the
    seam mode joins it to what was executed before.

    Args:
        current: where the executed trajectory is now, same space as the chunk.
        lead_ns: shortest time in which a step may be approached from ``current``.
    """
    due = chunk.start_ns + np.arange(len(chunk.values), dtype=np.int64) * chunk.step_ns
    keep = max(int(np.searchsorted(due, now_ns, side="right")) - 1, 0)
    times, values = due[keep:], unwrap(chunk.space, chunk.values[keep:].astype(np.float64), current.values)
    if len(times) == 1:
        return _hermite([now_ns, max(int(times[0]), now_ns + lead_ns)], np.stack([current.values, values[0]]), current)
    if times[0] >= now_ns + lead_ns:
        return _hermite([now_ns, *times.tolist()], np.vstack([current.values, values]), current)
    return _hermite(times.tolist(), values, None)


def unwrap(space: str, values: FloatArray, near: FloatArray) -> FloatArray:
    """Choose each step's rotation vector (of the two that mean the same) nearest to the one before it."""
    if space != "ee_pose":
        return values
    furthest = max(float((values[:, 3:6] ** 2).sum(axis=1).max()), float(near[3:6] @ near[3:6]))
    if furthest < LEAST_TURN**2:
        return values
    vectors, before = values[:, 3:6].tolist(), near[3:6].tolist()
    for k, vector in enumerate(vectors):
        angle = math.hypot(*vector)
        if angle > 1e-9:
            other = [x * (1.0 - math.tau / angle) for x in vector]
            if math.dist(other, before) < math.dist(vector, before):
                vectors[k] = other
        before = vectors[k]
    return np.hstack([values[:, :3], vectors, values[:, 6:]])


def _hermite(times_ns: list[int], values: FloatArray, start: Sample | None) -> Track:
    seconds = np.array([(b - a) * 1e-9 for a, b in pairwise(times_ns)])[:, None]
    secants = (values[1:] - values[:-1]) / seconds
    rates = np.empty_like(values)
    rates[0], rates[-1] = secants[0], secants[-1]
    rates[1:-1] = (secants[:-1] * seconds[1:] + secants[1:] * seconds[:-1]) / (seconds[1:] + seconds[:-1])
    if start is not None:
        rates[0] = start.rates
    coefficients = np.empty((len(secants), 4, values.shape[1]))
    bend = secants - rates[:-1]
    cube = rates[1:] - secants - bend
    coefficients[:, 0], coefficients[:, 1] = values[:-1], rates[:-1]
    coefficients[:, 2], coefficients[:, 3] = (bend - cube) / seconds, cube / (seconds * seconds)
    return Track(tuple(times_ns), coefficients, Sample(values[0], rates[0]), Sample(values[-1], rates[-1]))
