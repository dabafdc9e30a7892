"""Trajectory optimisation by sampling: chunks around a plan are rolled out, and the plan moves to where they score."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from wam_core.errors import ContractError
from wam_core.model.groups import Wiring
from wam_core.planners.planner import PlannerSpec, World, check_generated


@dataclass(frozen=True)
class Trajectory(PlannerSpec):
    """``rounds`` times ``candidates`` chunks around the plan, judged by the mean of the generated group ``score``.

    The plan begins as the model's own chunk. Candidates differ from it by smooth curves through ``knots`` random
    points, at first of ``deviation``; all numbers are standard deviations of the recorded chunks, beyond ``bound`` of
    which nothing is tried.
    """

    optimises: ClassVar[bool] = True

    kind: str
    candidates: int
    rounds: int
    score: str
    knots: int
    deviation: float
    bound: float

    def check(self, wiring: Wiring, action: str) -> None:
        for name, least in (("candidates", 2), ("rounds", 1), ("knots", 2)):
            if getattr(self, name) < least:
                raise ContractError(f"planner.{name}", getattr(self, name), f"at least {least}")
        for name in ("deviation", "bound"):
            if not getattr(self, name) > 0.0:
                raise ContractError(f"planner.{name}", getattr(self, name), "more than 0")
        check_generated(wiring, "planner.score", self.score)
        if not wiring.depends(self.score, action):
            raise ContractError("planner.score", self.score, f"a group that depends on {action}")

    def choose(self, world: World, action: str, rng: torch.Generator) -> Mapping[str, Tensor]:
        plan = world.generate((action,), rng)[action].clamp(-self.bound, self.bound)
        spread = torch.full_like(plan, self.deviation)
        for _ in range(self.rounds):
            noise = torch.randn((self.candidates, plan.shape[2], self.knots), generator=rng)
            curves = interpolate(noise, plan.shape[1], mode="linear", align_corners=True).transpose(1, 2)
            tried = (plan + spread * curves).clamp(-self.bound, self.bound)
            tried[0] = plan
            made = world.generate((self.score,), rng, self.candidates, given={action: tried})
            # Of committed steps all candidates have the same, whatever was tried.
            plan, spread = self.improved(made[action], made[self.score].mean(dim=(1, 2)), spread)
        return world.generate((self.score,), rng, 1, given={action: plan})

    @abstractmethod
    def improved(self, tried: Tensor, scores: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """The next plan ``[1, N, F]`` and the spread about it, from ``tried [K, N, F]`` and their ``scores [K]``."""


@dataclass(frozen=True)
class Mppi(Trajectory):
    """Model-predictive path integral control (Williams and others 2017): the mean of all candidates, each weighted by
    the exponential of its score over ``temperature``, where the best scores 0 and the worst -1."""

    temperature: float = 0.1

    def check(self, wiring: Wiring, action: str) -> None:
        super().check(wiring, action)
        if not self.temperature > 0.0:
            raise ContractError("planner.temperature", self.temperature, "more than 0")

    def improved(self, tried: Tensor, scores: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        worse = (scores.max() - scores) / (scores.max() - scores.min()).clamp(min=1e-9)
        weights = torch.softmax(-worse / self.temperature, dim=0)
        return (weights[:, None, None] * tried).sum(dim=0, keepdim=True), spread


@dataclass(frozen=True)
class Cem(Trajectory):
    """Cross-entropy method (Rubinstein 1999): mean and spread of the ``elites`` candidates that score best."""

    elites: int = 4

    def check(self, wiring: Wiring, action: str) -> None:
        super().check(wiring, action)
        if not 2 <= self.elites <= self.candidates:
            raise ContractError("planner.elites", self.elites, f"2 to candidates ({self.candidates})")

    def improved(self, tried: Tensor, scores: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        best = tried[scores.topk(self.elites).indices]
        return best.mean(dim=0, keepdim=True), best.std(dim=0, keepdim=True)
