"""Streams of different rates onto the instants of the contract's action rate."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wam_core.errors import ContractError

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Stream:
    """Stamps of one stream (ns, non-decreasing) and which value counts for an instant.

    Attributes:
        max_age_ns: greatest age at which the newest value still counts.
        lookahead_ns: how far after the instant a value may lie; above 0 only for labels, never for what is sensed.
    """

    stamps_ns: IntArray
    max_age_ns: int
    lookahead_ns: int = 0


@dataclass(frozen=True)
class Gap:
    """Instants ``start_ns`` .. ``end_ns`` (both included) at which ``stream`` had no fresh value; they are left out."""

    stream: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Alignment:
    """Instants with all streams fresh, the index of each stream's value there, and what was left out."""

    instants_ns: IntArray
    index: Mapping[str, IntArray]
    gaps: tuple[Gap, ...]


def check_stamps(name: str, stamps_ns: IntArray) -> None:
    """Raise :class:`ContractError` naming the first stamp that is older than the one before it."""
    back = np.flatnonzero(np.diff(stamps_ns) < 0)
    if len(back):
        where = int(back[0]) + 1
        expected = f"not before {int(stamps_ns[where - 1])} ns"
        raise ContractError(f"{name}.stamp[{where}]", int(stamps_ns[where]), expected)


def newest_not_after(stamps_ns: IntArray, instants_ns: IntArray) -> IntArray:
    """Index of the newest stamp <= each instant, -1 where there is none."""
    return np.searchsorted(stamps_ns, instants_ns, side="right") - 1


def align(streams: Mapping[str, Stream], anchor_ns: int, step_ns: int, source: str) -> Alignment:
    """Instants ``anchor_ns + k * step_ns`` while any stream runs, kept where every stream has a fresh value.

    Instants before all streams have begun, or after the first one ended, are a gap only of a stream that is late, or
    ended early, by more than its age limit and a step.

    Args:
        source: what errors call the recording.

    Raises:
        ContractError: a stream is empty or its stamps go backwards.
    """
    for name, stream in streams.items():
        if not len(stream.stamps_ns):
            raise ContractError(f"{source}:{name}", "no valid message", "a recorded stream")
        check_stamps(f"{source}:{name}", stream.stamps_ns)
    first = {name: int(s.stamps_ns[0]) - s.lookahead_ns for name, s in streams.items()}
    last = {name: int(s.stamps_ns[-1]) for name, s in streams.items()}
    begin = -((anchor_ns - max(first.values())) // step_ns)
    end = (min(last.values()) - anchor_ns) // step_ns
    instants = anchor_ns + step_ns * np.arange(begin, end + 1, dtype=np.int64)
    allowed = {name: stream.max_age_ns + step_ns for name, stream in streams.items()}
    earliest, latest = min(first.values()), max(last.values())
    gaps = [Gap(name, earliest, f) for name, f in first.items() if f - earliest > allowed[name]]
    fresh = np.ones(len(instants), dtype=bool)
    index = {}
    for name, stream in streams.items():
        index[name] = newest_not_after(stream.stamps_ns, instants + stream.lookahead_ns)
        stale = instants - stream.stamps_ns[index[name]] > stream.max_age_ns
        gaps += [Gap(name, int(instants[a]), int(instants[b - 1])) for a, b in runs(stale)]
        fresh &= ~stale
    gaps += [Gap(name, e, latest) for name, e in last.items() if latest - e > allowed[name]]
    return Alignment(instants[fresh], {name: i[fresh] for name, i in index.items()}, tuple(gaps))


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open (start, end) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
