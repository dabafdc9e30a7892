"""Chunks that go on from each other, as `wam_inference` has them made."""

from collections.abc import Sequence
from typing import Protocol

from wam_core.continuation import CONTINUATIONS, Progress
from wam_core.contract import ActionChunk, Committed, Observation
from wam_core.errors import look_up


class Continuable(Protocol):
    """A policy that can go on from a chunk in progress."""

    @property
    def cameras(self) -> Sequence[str]:
        """Names of the images it looks at."""

    @property
    def senses(self) -> Sequence[str]:
        """Names of what it needs beside images, joints and taxels."""

    @property
    def replan_steps(self) -> int:
        """Steps between two observations it is asked about."""

    def act(self, observation: Observation, committed: Committed | None = None) -> ActionChunk:
        """Answer one observation, going on from ``committed``."""

    def corrected(self, observation: Observation) -> ActionChunk | None:
        """The rest of the chunk in progress as a reflex changes it, or None."""


class ContinuingPolicy:
    """Tells ``policy`` what is executed until its chunk takes over. One object per episode.

    Args:
        continuation: name in :data:`wam_core.continuation.CONTINUATIONS`.
        delay_ns: time from an observation until its chunk takes over.
    """

    def __init__(self, policy: Continuable, continuation: str, delay_ns: int) -> None:
        look_up(CONTINUATIONS, continuation, "continuation")
        self.cameras, self.senses, self.replan_steps = policy.cameras, policy.senses, policy.replan_steps
        self._policy = policy
        self._continuation = continuation
        self._delay_ns = delay_ns
        self._progress = Progress()

    def act(self, observation: Observation) -> ActionChunk:
        committed = self._progress.committed(self._continuation, observation.stamp_ns)
        chunk = self._policy.act(observation, committed)
        self._progress.sent(chunk, observation.stamp_ns + self._delay_ns)
        return chunk

    def corrected(self, observation: Observation) -> ActionChunk | None:
        """What the policy's reflex makes of the chunk in progress; the next one goes on from that."""
        chunk = self._policy.corrected(observation)
        if chunk is not None:
            self._progress.sent(chunk, observation.stamp_ns + self._delay_ns)
        return chunk
