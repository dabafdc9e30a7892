"""Seams: how a new chunk takes over from the one being executed. One table of modes."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from wam_core.executor.timeline import Sample, Track, coast


class Fade(NamedTuple):
    """Both tracks sampled, weight moved from old to new with zero rate and acceleration at both ends."""

    old: Track
    new: Track
    begin_ns: int
    end_ns: int

    def sample(self, now_ns: int) -> Sample:
        if now_ns >= self.end_ns:
            return self.new.sample(now_ns)
        span = (self.end_ns - self.begin_ns) * 1e-9
        u = max(now_ns - self.begin_ns, 0) * 1e-9 / span
        weight = u * u * u * (10.0 - 15.0 * u + 6.0 * u * u)
        slope = 30.0 * u * u * (1.0 - u) * (1.0 - u) / span
        old, new = self.old.sample(now_ns), self.new.sample(now_ns)
        gap = new.values - old.values
        return Sample(old.values + weight * gap, old.rates + weight * (new.rates - old.rates) + slope * gap)


Source: TypeAlias = Track | Fade
Seam: TypeAlias = Callable[[Source | None, Track, Sample, int, int], Source]


def replace(old: Source | None, new: Track, current: Sample, now_ns: int, fade_ns: int) -> Source:
    """The new chunk from now on; only the shaping limits bound the step at the seam."""
    return new


def cross_fade(old: Source | None, new: Track, current: Sample, now_ns: int, fade_ns: int) -> Source:
    """Fade from the old chunk to the new one over ``fade_ns``; a fade still under way goes on from where it is."""
    if fade_ns == 0 or new.times_ns[0] == now_ns:
        return new
    if isinstance(old, Fade) and now_ns >= old.end_ns:
        old = old.new
    return Fade(old if isinstance(old, Track) else coast(current, now_ns), new, now_ns, now_ns + fade_ns)


SEAMS: Mapping[str, Seam] = {"cross_fade": cross_fade, "replace": replace}


def end_ns(source: Source) -> int:
    """When the last step of the newest chunk is due."""
    return source.new.end_ns if isinstance(source, Fade) else source.end_ns
