"""The forecast as its own verifier: a chunk lasts as long as what it was made with comes true (FFDC-WAM)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wam_core.triggers.trigger import TriggerSpec


@dataclass(frozen=True)
class ForecastVerifier(TriggerSpec):
    """A forecast has failed when it is further from what is seen than ``share`` of the way that the picture has gone
    since, plus ``floor`` (mean absolute difference, of 255): a share of 1 asks that it be better than no forecast."""

    kind: str
    share: float
    floor: float

    def parted(self, first: NDArray[np.uint8], imagined: NDArray[np.uint8], seen: NDArray[np.uint8]) -> bool:
        return _distance(seen, imagined) > self.share * _distance(seen, first) + self.floor


def _distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())
