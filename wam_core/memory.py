"""What a model carries from one call to the next: a bounded number of measured observations, as features."""

from collections import deque
from collections.abc import Mapping

import torch
from torch import Tensor


class Memory:
    """The last ``length`` observations that were answered under one instruction, by substrate.

    What was imagined is not kept: the next call sees what was measured in its place. Another instruction, or time that
    goes back, begin anew. Until there are enough, the first observation stands for those before it: an arm that has
    only just been told something was at rest.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._kept: deque[Mapping[str, Tensor]] = deque(maxlen=length)
        self._instruction = ""
        self._stamp_ns = 0

    def past(self, stamp_ns: int, instruction: str, present: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Substrate -> features ``[1, length * N, F]`` of what came before ``present``, oldest first."""
        if instruction != self._instruction or stamp_ns <= self._stamp_ns:
            self._kept.clear()
        kept = list(self._kept) or [present]
        padded = [kept[0]] * (self.length - len(kept)) + kept
        return {name: torch.cat([seen[name] for seen in padded], dim=1) for name in present}

    def keep(self, stamp_ns: int, instruction: str, present: Mapping[str, Tensor]) -> None:
        """``present`` ``[1, N, F]`` by substrate was answered."""
        self._instruction, self._stamp_ns = instruction, stamp_ns
        self._kept.append(dict(present))
