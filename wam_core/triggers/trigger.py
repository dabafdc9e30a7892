"""What asks for a new chunk before the one in progress is used up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.contract import ActionChunk
from wam_core.model.groups import Wiring
from wam_core.planners.planner import World

#: How far from the instant that a future is about, in shares of the time between two, it still counts as that instant.
NEAR = 0.1


class Course(Protocol):
    """A chunk on its way: what goes with it, and what is observed now.

    Attributes:
        chunk: in contract units.
        steps: action steps from the observation that the chunk answers to the one at hand.
        now: the model before the observation at hand.
        rng: all that is random is drawn from it.
        learned: what the trigger learned from the training data.
    """

    @property
    def chunk(self) -> ActionChunk: ...
    @property
    def steps(self) -> float: ...
    @property
    def now(self) -> World: ...
    @property
    def rng(self) -> torch.Generator: ...
    @property
    def learned(self) -> Mapping[str, Tensor]: ...

    def pictures(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """RGB ``[H, W*, 3]`` that the chunk was made from, and what is seen now."""

    def promised(self, group: str) -> NDArray[np.generic]:
        """Values ``[T, ...]`` of the generated ``group`` that belong to the chunk, decoded."""

    def foreseen(self, group: str) -> NDArray[np.generic]:
        """The same, generated from what is observed now."""

    def present(self, substrate: str) -> Tensor:
        """Features ``[N, F]`` of what is observed now."""


class TriggerSpec(ABC):
    """A trigger as a preset names it: a frozen dataclass whose field ``kind`` is its name in the table.

    Attributes:
        learns: whether it needs what :meth:`learn` finds in the training data.
    """

    learns: ClassVar[bool] = False
    kind: str

    @abstractmethod
    def check(self, wiring: Wiring, action: str, shows: Mapping[str, str]) -> None:
        """Raise :class:`ContractError` where the wiring does not give what the trigger needs.

        Args:
            shows: what each generated group that is no action is shown as, e.g. ``video``.
        """

    @abstractmethod
    def parted(self, course: Course) -> bool:
        """Whether a new chunk is due."""

    def learn(
        self, present: Callable[[str], Tensor], episodes: NDArray[np.int64], rng: torch.Generator
    ) -> dict[str, Tensor]:
        """What it keeps of the training data, beside the weights.

        Args:
            present: substrate -> features ``[M, N, F]`` of M recorded observations.
            episodes: ``[M]`` number of the episode that each is of.
        """
        return {}


def entry_due(course: Course, entries: int) -> float:
    """Index into a future of ``entries`` instants that is about now; -1 is the instant of the chunk's observation."""
    return course.steps * entries / len(course.chunk.values) - 1.0
