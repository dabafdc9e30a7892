"""Between a model that can say what follows from an action and the action that is taken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from wam_core.errors import ContractError, look_up
from wam_core.model.groups import Wiring


class World(Protocol):
    """The model where it stands: before the observation at hand, or at the end of futures that it generated.

    It stands in one situation, or in several side by side: as many as there were futures.
    """

    def sub_instructions(self) -> tuple[str, ...]:
        """The parts of the task that it was told: what :meth:`told` can be given.

        They were recorded under that task, or under the same in other colours.

        Raises:
            ContractError: no parts of this task were recorded; the tasks that have some are listed.
        """

    def generate(
        self,
        outputs: tuple[str, ...],
        rng: torch.Generator,
        candidates: int = 0,
        given: Mapping[str, Tensor] | None = None,
    ) -> Mapping[str, Tensor]:
        """Features ``[candidates, N, F]`` of ``outputs`` and of what was generated for them.

        Args:
            rng: noise is drawn from it; candidates of one situation differ by their noise and by what is given alone.
            candidates: how many, of one situation; 0: one for each situation.
            given: features ``[candidates, N, F]`` of generated groups that are known, e.g. of an action that is asked
                about. Steps of a chunk that are committed already stay as they are.
        """

    def told(self, instruction: str) -> World:
        """The same situations under another instruction, e.g. a step of the task.

        Raises:
            ContractError: a word that the model does not know.
        """

    def after(self, made: Mapping[str, Tensor]) -> World:
        """Where futures that were ``made`` here end: their last picture is what is seen, and the arm is where their
        actions led it.

        Raises:
            ContractError: there is no action or no picture among them, or the model looks at what neither tells.
        """


def check_generated(wiring: Wiring, field: str, name: str) -> None:
    """Raise :class:`ContractError` unless ``name`` is a generated group."""
    if look_up(wiring.groups, name, field).source != "generated":
        raise ContractError(field, name, "a generated group")


def check_free_of(wiring: Wiring, field: str, name: str, action: str) -> None:
    """Raise :class:`ContractError` unless ``name`` is a generated group that does not depend on ``action``."""
    check_generated(wiring, field, name)
    if wiring.depends(name, action):
        raise ContractError(field, name, f"a group that does not depend on {action}")


def is_above_zero(world: World, name: str, rng: torch.Generator) -> bool:
    """Whether a generated group, e.g. what says that a phase is critical, is above zero on average."""
    return float(world.generate((name,), rng)[name].mean()) > 0.0


class PlannerSpec(ABC):
    """A planner as a preset names it: a frozen dataclass whose field ``kind`` is its name in the table.

    Attributes:
        goes_on: whether it asks what comes after a future.
        optimises: whether it makes up chunks of its own, as whole trajectories.
        tells_parts: whether it tells the model parts of a task, which must have been trained on them.
    """

    goes_on: ClassVar[bool] = False
    optimises: ClassVar[bool] = False
    tells_parts: ClassVar[bool] = False
    kind: str

    @abstractmethod
    def check(self, wiring: Wiring, action: str) -> None:
        """Raise :class:`ContractError` where the wiring does not give what the planner needs."""

    @abstractmethod
    def choose(self, world: World, action: str, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Features ``[1, N, F]`` of the chosen ``action`` and of what was generated with it.

        None, where nothing is good enough: the arm then stays where it is.

        Args:
            world: at the observation at hand.
            rng: all that is random is drawn from it.
        """
