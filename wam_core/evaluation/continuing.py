"""Chunks that go on from each other, as `wam_inference` has them made."""

from collections.abc import Sequence
from typing import Protocol

from wam_core.continuation import CONTINUATIONS
from wam_core.contract import ActionChunk, Committed, Observation
from wam_core.errors import look_up


class Continuable(Protocol):
    """A policy that can go on from a chunk in progress."""

    @property
    def cameras(self) -> Sequence[str]:
        """Names of the images it looks at."""

    @property
    def replan_steps(self) -> int:
        """Steps between two observations it is asked about."""

    def act(self, observation: Observation, committed: Committed | None = None) -> ActionChunk:
        """Answer one observation, going on from ``committed``."""


class ContinuingPolicy:
    """Tells ``policy`` what is executed until its chunk takes over. One object per episode.

    Args:
        continuation: name in :data:`wam_core.continuation.CONTINUATIONS`.
        delay_ns: time from an observation until its chunk takes over.
    """

    def __init__(self, policy: Continuable, continuation: str, delay_ns: int) -> None:
        self.cameras, self.replan_steps = policy.cameras, policy.replan_steps
        self._policy = policy
        self._continuation = look_up(CONTINUATIONS, continuation, "continuation")
        self._delay_ns = delay_ns
        self._before: ActionChunk | None = None

    def act(self, observation: Observation) -> ActionChunk:
        committed = None
        if self._before is not None:
            arrival_ns = observation.stamp_ns + self._delay_ns
            committed = self._continuation(self._before, observation.stamp_ns, arrival_ns)
        self._before = self._policy.act(observation, committed)
        return self._before
