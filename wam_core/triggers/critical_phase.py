"""Where it is critical, chunks are short."""

from collections.abc import Mapping
from dataclasses import dataclass

from wam_core.errors import ContractError
from wam_core.model.groups import Wiring
from wam_core.planners.planner import check_free_of, is_above_zero
from wam_core.triggers.trigger import Course, TriggerSpec


@dataclass(frozen=True)
class CriticalPhase(TriggerSpec):
    """While the generated group ``when``, asked from what is observed now, is above zero on average, a chunk lasts
    ``steps`` action steps; elsewhere as long as the preset says. ``best_of_n`` knows critical phases by the same sign.
    """

    kind: str
    when: str
    steps: int

    def check(self, wiring: Wiring, action: str, shows: Mapping[str, str]) -> None:
        check_free_of(wiring, "trigger.when", self.when, action)
        if self.steps < 1:
            raise ContractError("trigger.steps", self.steps, "at least 1")

    def parted(self, course: Course) -> bool:
        return course.steps >= self.steps and is_above_zero(course.now, self.when, course.rng)
