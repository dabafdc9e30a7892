"""Progress that is not what the chunk promised ends the chunk."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wam_core.errors import ContractError, look_up
from wam_core.model.groups import Wiring
from wam_core.triggers.trigger import Course, TriggerSpec, entry_due


@dataclass(frozen=True)
class ProgressGate(TriggerSpec):
    """For one predicted instant ahead, the group ``progress`` asked now is held against what the chunk promised for it:
    a chunk ends that fell ``behind`` by more than that share of the task, or came ``ahead`` by more.

    It is asked between the observation that the chunk answers and the last instant but one that the chunk speaks of.
    """

    kind: str
    progress: str
    behind: float
    ahead: float

    def check(self, wiring: Wiring, action: str, shows: Mapping[str, str]) -> None:
        if look_up(shows, self.progress, "trigger.progress") != "signal":
            raise ContractError("trigger.progress", self.progress, "a generated signal")
        for field in ("behind", "ahead"):
            if not 0.0 < getattr(self, field) <= 1.0:
                raise ContractError(f"trigger.{field}", getattr(self, field), "a share of the task, more than 0")

    def parted(self, course: Course) -> bool:
        promised = np.asarray(course.promised(self.progress), np.float64)[:, 0]
        ahead = entry_due(course, len(promised)) + 1.0
        if not 0.0 < ahead <= len(promised) - 1:
            return False
        due = float(np.interp(ahead, np.arange(len(promised)), promised))
        gained = float(course.foreseen(self.progress)[0, 0]) - due
        return gained < -self.behind or gained > self.ahead
