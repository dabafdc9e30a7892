"""Real-time chunking: a new chunk goes on from the one that is executed while it is computed.

Black, Galliker and Levine 2025, "Real-Time Execution of Action Chunking Flow Policies".
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline

from wam_core.contract import ActionChunk, Committed, FloatArray
from wam_core.errors import look_up

#: The next latency is expected to be the longest of so many, as in the paper.
LATENCIES = 10
#: An executor has taken a chunk this long after it was sent, or has refused it (ns).
TAKEN_NS = 50_000_000


class Overlap(NamedTuple):
    """What the chunk in progress says about steps of the next one.

    Attributes:
        values: ``[H, A]``, zero where it says nothing.
        weights: ``[H]`` how much that counts: 1 for what is committed, less and less after it, 0 where it says nothing.
    """

    values: FloatArray
    weights: FloatArray


def overlap(committed: Committed, due_ns: NDArray[np.int64]) -> Overlap:
    """What ``committed`` says about steps due at ``due_ns`` ``[H]``, which increase.

    Between its steps the chunk is the curve that the executor follows. The weights are those of the paper's equation 5.
    """
    chunk = committed.chunk
    times = chunk.start_ns + np.arange(len(chunk.values), dtype=np.int64) * chunk.step_ns
    covered = (due_ns >= times[0]) & (due_ns <= times[-1])
    weights = np.where(covered & (due_ns <= committed.until_ns), 1.0, 0.0)
    free = covered & (due_ns > committed.until_ns)
    share = np.arange(free.sum(), 0, -1) / (free.sum() + 1.0)
    weights[free] = share * np.expm1(share) / np.expm1(1.0)
    values = np.zeros((len(due_ns), chunk.values.shape[1]))
    values[covered] = _between(chunk, times, due_ns[covered])
    return Overlap(values, weights)


#: ``(the chunk in progress, stamp of the observation in ns, when the chunk that answers it takes over in ns)``
Continuation: TypeAlias = Callable[[ActionChunk, int, int], Committed | None]


def _none(chunk: ActionChunk, stamp_ns: int, arrival_ns: int) -> Committed | None:
    return None


def _real_time_chunking(chunk: ActionChunk, stamp_ns: int, arrival_ns: int) -> Committed | None:
    last_ns = chunk.start_ns + (len(chunk.values) - 1) * chunk.step_ns
    return Committed(chunk, arrival_ns) if stamp_ns < last_ns else None


#: What of the chunk in progress the next one goes on from.
CONTINUATIONS: Mapping[str, Continuation] = {"none": _none, "real_time_chunking": _real_time_chunking}


class Progress:
    """The chunk in progress as its sender knows it: from the stamps of what it sent and from what the executor says.

    Latencies are measured from the stamp of an observation to the moment the chunk that answers it is sent: so many
    steps of the chunk before it were consumed meanwhile.
    """

    def __init__(self) -> None:
        self._chunk: ActionChunk | None = None
        self._sent_ns = 0
        self._latencies: deque[int] = deque(maxlen=LATENCIES)

    def sent(self, chunk: ActionChunk, now_ns: int) -> None:
        """``chunk`` goes to the executor at ``now_ns``."""
        self._chunk, self._sent_ns = chunk, now_ns
        self._latencies.append(max(now_ns - chunk.stamp_ns, 0))

    def heard(self, now_ns: int, sequence: int, tracking: bool) -> None:
        """At ``now_ns`` the executor executed the chunk ``sequence``, or, not ``tracking``, none: a chunk that it
        refused or let go of is not in progress."""
        chunk, taken = self._chunk, now_ns > self._sent_ns + TAKEN_NS
        if chunk is not None and taken and not (tracking and sequence == chunk.sequence):
            self._chunk = None

    def forget(self) -> None:
        """The next chunk has nothing to do with those before it."""
        self._chunk = None

    def committed(self, continuation: str, stamp_ns: int) -> Committed | None:
        """What the chunk that answers the observation of ``stamp_ns`` goes on from, by an entry of
        :data:`CONTINUATIONS`."""
        way, chunk = look_up(CONTINUATIONS, continuation, "continuation"), self._chunk
        return None if chunk is None else way(chunk, stamp_ns, stamp_ns + max(self._latencies))


def _between(chunk: ActionChunk, times: NDArray[np.int64], due_ns: NDArray[np.int64]) -> FloatArray:
    if len(times) == 1:
        return np.repeat(chunk.values, len(due_ns), axis=0)
    seconds, at = 1e-9 * (times - times[0]), 1e-9 * (due_ns - times[0])
    return CubicHermiteSpline(seconds, chunk.values, np.gradient(chunk.values, seconds, axis=0))(at)
