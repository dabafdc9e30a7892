"""Best of N: several chunks, what the model expects of each, and the one with the best score is taken."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.groups import Wiring
from wam_core.planners.planner import PlannerSpec, World, check_free_of, check_generated, is_above_zero


@dataclass(frozen=True)
class BestOfN(PlannerSpec):
    """``candidates`` chunks are judged by the mean of the generated group ``score``; more is better.

    Only where the generated group ``when`` is above zero on average, if one is named; elsewhere the first chunk is
    taken unjudged (DreamAvoid's critical phases).
    """

    kind: str
    candidates: int
    score: str
    when: str = ""

    def check(self, wiring: Wiring, action: str) -> None:
        if self.candidates < 2:
            raise ContractError("planner.candidates", self.candidates, "at least 2")
        check_generated(wiring, "planner.score", self.score)
        if not wiring.depends(self.score, action):
            raise ContractError("planner.score", self.score, f"a group that depends on {action}")
        if self.when:
            check_free_of(wiring, "planner.when", self.when, action)

    def choose(self, world: World, action: str, rng: torch.Generator) -> Mapping[str, Tensor]:
        if self.when and not is_above_zero(world, self.when, rng):
            return world.generate((action,), rng)
        made = world.generate((action, self.score), rng, self.candidates)
        best = int(made[self.score].mean(dim=(1, 2)).argmax())
        return {name: value[best : best + 1] for name, value in made.items()}
