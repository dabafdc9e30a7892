"""What a model is bound to: the numbers and pictures that it gets and gives, whatever moves by them."""

from dataclasses import dataclass
from typing import Any, Protocol

from wam_core.robot.senses import Sensing


@dataclass(frozen=True)
class ActionSpec:
    """Columns of an action, and what they mean.

    Attributes:
        space: of a robot, a key of :data:`wam_core.contract.ACTION_SPACES`; of a benchmark, its own, in words.
    """

    space: str
    names: tuple[str, ...]


class Body(Sensing, Protocol):
    """A robot contract, or an embodiment: what a benchmark's simulator takes and gives."""

    @property
    def action(self) -> ActionSpec: ...

    @property
    def proprioception(self) -> tuple[str, ...]:
        """Columns of the robot's own numbers."""

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, the shape of its file."""
