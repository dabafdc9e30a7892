"""A filter: futures are generated until one is accepted (RIGVid; Patel et al. 2025)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.groups import Wiring
from wam_core.planners.planner import PlannerSpec, World, check_generated


@dataclass(frozen=True)
class Filter(PlannerSpec):
    """Accepted is the first of ``candidates`` in which the generated group ``score`` rises by ``rise`` or more from its
    first token to its last, in the units of its features. If none is, nothing is chosen."""

    kind: str
    candidates: int
    score: str
    rise: float

    def check(self, wiring: Wiring, action: str) -> None:
        if self.candidates < 1:
            raise ContractError("planner.candidates", self.candidates, "at least 1")
        check_generated(wiring, "planner.score", self.score)
        if self.score == action or not wiring.depends(self.score, action):
            raise ContractError("planner.score", self.score, f"a generated group that depends on {action}")

    def choose(self, world: World, action: str, rng: torch.Generator) -> Mapping[str, Tensor]:
        for _ in range(self.candidates):
            made = world.generate((action, self.score), rng)
            score = made[self.score].mean(dim=2)[0]
            if float(score[-1] - score[0]) >= self.rise:
                return made
        return {}
