"""What the executor reports about itself."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ExecutorStatus:
    """State of the executor after a tick.

    Attributes:
        mode: ``no_state`` (never saw the arm), ``holding`` (at rest, nothing to do), ``tracking`` (following a chunk),
            ``stopping`` (coming to rest), ``latched`` (stopped until cleared).
        latched, latch_reason: the latch.
        reasons: codes active in the last tick.
        reason_counts: how often each reason began (filters), or chunks it was given for (intake), since the start.
        chunks_accepted, chunks_rejected: since the start.
        sequence: of the newest accepted chunk, -1 before the first.
        chunk_slack_s: time until the last step of the newest chunk is due, NaN without a chunk.
        tracking_error_rad: greatest joint error in the last tick, NaN without a usable state.
    """

    mode: str
    latched: bool
    latch_reason: str
    reasons: tuple[str, ...]
    reason_counts: Mapping[str, int]
    chunks_accepted: int
    chunks_rejected: int
    sequence: int
    chunk_slack_s: float
    tracking_error_rad: float
