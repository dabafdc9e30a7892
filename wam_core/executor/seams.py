"""Seams: how a new chunk takes over from the one being executed. One table of modes."""

from collections.abc import Callable, Mapping
from math import exp
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from wam_core.executor.timeline import Sample, Track, coast

#: Chunks in an ensemble, at most: more of them are one that settles, so that a tick's time is bounded.
MOST_MEMBERS = 16


class Source(Protocol):
    """What is executed: a function of time."""

    @property
    def end_ns(self) -> int:
        """When the last step of the newest chunk is due."""

    def sample(self, now_ns: int) -> Sample:
        """Values and rates at ``now_ns``."""


class Blend(NamedTuple):
    """Tuning of the modes: time of a change-over (ns), and how much less each younger chunk of an ensemble counts
    (0: as much as the one before it)."""

    fade_ns: int
    decay: float


class Fade(NamedTuple):
    """Both tracks sampled, weight moved from old to new with zero rate and acceleration at both ends."""

    old: Track
    new: Track
    begin_ns: int
    fade_ns: int

    @property
    def end_ns(self) -> int:
        return self.new.end_ns

    def sample(self, now_ns: int) -> Sample:
        weight, slope = _rise(now_ns - self.begin_ns, self.fade_ns)
        new = self.new.sample(now_ns)
        if weight == 1.0:
            return new
        old = self.old.sample(now_ns)
        gap = new.values - old.values
        return Sample(old.values + weight * gap, old.rates + weight * (new.rates - old.rates) + slope * gap)


class Member(NamedTuple):
    """A chunk's part in an ensemble: in from ``begin_ns`` on, out at ``leave_ns`` (None: not before it is followed)."""

    track: Track
    weight: float
    begin_ns: int
    leave_ns: int | None

    def part(self, now_ns: int, fade_ns: int) -> tuple[float, float]:
        """Its weight and the rate of that, per second."""
        rise, rising = _rise(now_ns - self.begin_ns, fade_ns)
        if self.leave_ns is None:
            return self.weight * rise, self.weight * rising
        fall, falling = _rise(now_ns - self.leave_ns + fade_ns, fade_ns)
        return self.weight * rise * (1.0 - fall), self.weight * (rising * (1.0 - fall) - rise * falling)


class Ensemble(NamedTuple):
    """The weighted mean of all chunks that say something about now, oldest first. Whoever joins or leaves does so over
    ``fade_ns``."""

    members: tuple[Member, ...]
    fade_ns: int

    @property
    def end_ns(self) -> int:
        return self.members[-1].track.end_ns

    def sample(self, now_ns: int) -> Sample:
        total = growth = 0.0
        values = rates = np.zeros(len(self.members[-1].track.last.values))
        for member in self.members:
            weight, slope = member.part(now_ns, self.fade_ns)
            if weight > 0.0:
                one = member.track.sample(now_ns)
                total, growth = total + weight, growth + slope
                values, rates = values + weight * one.values, rates + weight * one.rates + slope * one.values
        mean = values / total
        return Sample(mean, (rates - growth * mean) / total)


#: ``(executed until now or None, the new chunk, where the executed trajectory is, now in ns, tuning)``
Seam: TypeAlias = Callable[[Source | None, Track, Sample, int, Blend], Source]


def replace(old: Source | None, new: Track, current: Sample, now_ns: int, blend: Blend) -> Source:
    """The new chunk from now on; only the shaping limits bound the step at the seam."""
    return new


def cross_fade(old: Source | None, new: Track, current: Sample, now_ns: int, blend: Blend) -> Source:
    """Fade from the old chunk to the new one; a fade still under way goes on from where it is."""
    begins_here = new.times_ns[0] == now_ns and np.array_equal(new.first, current)
    if blend.fade_ns == 0 or begins_here:
        return new
    if isinstance(old, Fade) and now_ns >= old.begin_ns + old.fade_ns:
        old = old.new
    return Fade(old if isinstance(old, Track) else coast(current, now_ns), new, now_ns, blend.fade_ns)


def temporal_ensemble(old: Source | None, new: Track, current: Sample, now_ns: int, blend: Blend) -> Source:
    """The mean of all chunks that cover now, each weighing ``exp(-decay)`` times the one before it (Zhao et al.,
    "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware", RSS 2023)."""
    fade_ns = blend.fade_ns
    if fade_ns == 0:
        return new
    settling = Member(coast(current, now_ns), 1.0, now_ns - fade_ns, None)
    before = old.members if isinstance(old, Ensemble) and len(old.members) < MOST_MEMBERS else (settling,)
    last = before[-1]
    before = (*before[:-1], last._replace(leave_ns=max(last.track.end_ns, now_ns + fade_ns)))
    staying = [member for member in before if member.leave_ns is None or member.leave_ns > now_ns]
    members = [*staying, Member(new, last.weight * exp(-blend.decay), now_ns, None)]
    return Ensemble(tuple(m._replace(weight=m.weight / members[0].weight) for m in members), fade_ns)


SEAMS: Mapping[str, Seam] = {
    "replace": replace,
    "cross_fade": cross_fade,
    "temporal_ensemble": temporal_ensemble,
}


def _rise(since_ns: int, span_ns: int) -> tuple[float, float]:
    """From 0 to 1 over ``span_ns`` with zero rate and acceleration at both ends, and its rate per second."""
    if since_ns <= 0:
        return 0.0, 0.0
    if since_ns >= span_ns:
        return 1.0, 0.0
    u = since_ns / span_ns
    slope = 30.0 * u * u * (1.0 - u) * (1.0 - u) / (span_ns * 1e-9)
    return u * u * u * (10.0 - 15.0 * u + 6.0 * u * u), slope
