"""What corrects the rest of a chunk at every step, by what is felt: faster than the model answers."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.robot.contract import RobotContract


class ReflexSpec(ABC):
    """A reflex as a preset names it: a frozen dataclass whose field ``kind`` is its name in the table.

    Attributes:
        shows: the future that it compares with what is measured, as substrates name it.
        channel: the channel of the scenes that is compared with it.
    """

    shows: ClassVar[str]
    channel: ClassVar[str]
    kind: str

    @abstractmethod
    def correct(
        self,
        robot: RobotContract,
        foreseen: NDArray[np.float32],
        measured: NDArray[np.float32],
        here: FloatArray,
        made: FloatArray,
        current: FloatArray,
    ) -> FloatArray:
        """The steps that are left, corrected; ``current`` itself where nothing is to change.

        Args:
            foreseen: what was imagined for this instant, as the substrate decodes it.
            measured: the channel at this instant.
            here: ``[D]`` proprioception.
            made: ``[K, A]`` steps of the chunk that are still due, as the model made them.
            current: the same as they are executed, corrected until now.
        """
