"""What an action does to the robot itself: known from its kinematics, and nothing that a model has to learn."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from wam_core.contract import FloatArray

#: Features ``[N, A]`` of a chunk, and the proprioception ``[D]`` that it was made at, to values ``[N, A]`` in contract
#: units. The statistics of the recorded chunks say how.
ToValues: TypeAlias = Callable[[Tensor, FloatArray], FloatArray]


class Enactor(ABC):
    """Between features of the robot's present state and those of what a chunk will do to it."""

    @abstractmethod
    def proprioception(self, here: Tensor) -> FloatArray:
        """``[D]`` in contract units that the present's features ``[P, F]`` are of."""

    @abstractmethod
    def enacted(self, here: Tensor, chunk: FloatArray) -> Tensor:
        """Future features ``[N, F]`` if ``chunk [steps, A]`` (contract units) is carried out from ``here [P, F]``."""
