"""Between a model that can say what follows from an action and the action that is taken."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from wam_core.model.groups import Wiring


class Generate(Protocol):
    """The model on the observation at hand."""

    def __call__(self, outputs: tuple[str, ...], candidates: int) -> Mapping[str, Tensor]:
        """Features ``[candidates, N, F]`` of ``outputs`` and of what was generated for them; candidates differ by their
        noise alone."""


class PlannerSpec(ABC):
    """A planner as a preset names it: a frozen dataclass whose field ``kind`` is its name in the table."""

    kind: str

    @abstractmethod
    def check(self, wiring: Wiring, action: str) -> None:
        """Raise :class:`ContractError` where the wiring does not give what the planner needs."""

    @abstractmethod
    def choose(self, generate: Generate, action: str) -> Mapping[str, Tensor]:
        """Features ``[1, N, F]`` of the chosen ``action`` and of what was generated with it."""
