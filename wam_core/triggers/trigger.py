"""What asks for a new chunk before the one in progress is used up."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray


class TriggerSpec(ABC):
    """A trigger as a preset names it: a frozen dataclass whose field ``kind`` is its name in the table."""

    kind: str

    @abstractmethod
    def parted(self, first: NDArray[np.uint8], imagined: NDArray[np.uint8], seen: NDArray[np.uint8]) -> bool:
        """Whether what is ``seen`` has parted from what was ``imagined`` for this instant, so that a new chunk is due.

        Args:
            first: the observed picture that the chunk was made from; all three are uint8 RGB ``[H, W*, 3]``.
        """
