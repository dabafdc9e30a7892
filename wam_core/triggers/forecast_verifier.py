"""The forecast as its own verifier: a chunk lasts as long as what it was made with comes true (FFDC-WAM)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wam_core.errors import ContractError, look_up
from wam_core.model.groups import Wiring
from wam_core.triggers.trigger import NEAR, Course, TriggerSpec, entry_due


@dataclass(frozen=True)
class ForecastVerifier(TriggerSpec):
    """A forecast has failed when ``future`` is further from what is seen than ``share`` of the way that the picture has
    gone since, plus ``floor`` (mean absolute difference, of 255): a share of 1 asks that it be better than no forecast.
    It is asked at the instants that it is about alone.
    """

    kind: str
    future: str
    share: float
    floor: float

    def check(self, wiring: Wiring, action: str, shows: Mapping[str, str]) -> None:
        if look_up(shows, self.future, "trigger.future") != "video" or not wiring.depends(action, self.future):
            raise ContractError("trigger.future", self.future, f"a future in pictures that {action} is made with")

    def parted(self, course: Course) -> bool:
        frames = course.promised(self.future)
        instant = entry_due(course, len(frames))
        k = round(instant)
        if not 0 <= k < len(frames) or abs(instant - k) > NEAR:
            return False
        first, seen = course.pictures()
        return _distance(seen, np.asarray(frames[k], np.uint8)) > self.share * _distance(seen, first) + self.floor


def _distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())
