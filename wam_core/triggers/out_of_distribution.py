"""In a situation that is unlike all training data, no chunk is trusted for longer than to the next look."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.groups import Wiring
from wam_core.triggers.trigger import Course, TriggerSpec


@dataclass(frozen=True)
class OutOfDistribution(TriggerSpec):
    """The observation is further from the nearest of ``references`` recorded ones than a share ``quantile`` of the
    training data is from the nearest one of another episode (nearest neighbours, as Sun et al. 2022 do with deep
    features). Distances are root mean squares over the observed features of ``substrate``.
    """

    learns: ClassVar[bool] = True

    kind: str
    substrate: str
    references: int
    quantile: float

    def check(self, wiring: Wiring, action: str, shows: Mapping[str, str]) -> None:
        seen = {g.substrate for g in wiring.groups.values() if g.source == "observed" and g.span == "present"}
        if self.substrate not in seen:
            raise ContractError("trigger.substrate", self.substrate, f"one that is observed: {', '.join(sorted(seen))}")
        if self.references < 2:
            raise ContractError("trigger.references", self.references, "at least 2")
        if not 0.5 <= self.quantile < 1.0:
            raise ContractError("trigger.quantile", self.quantile, "a share of the training data from 0.5 to below 1")

    def learn(
        self, present: Callable[[str], Tensor], episodes: NDArray[np.int64], rng: torch.Generator
    ) -> dict[str, Tensor]:
        if len(np.unique(episodes)) < 2:
            raise ContractError("episodes", len(np.unique(episodes)), "2 or more: what is familiar is seen in others")
        seen = present(self.substrate).flatten(1).float()
        rows = torch.randperm(len(seen), generator=rng)[: self.references]
        of = torch.from_numpy(episodes)
        distances = _distances(seen, seen[rows]).masked_fill(of[:, None] == of[rows], math.inf).amin(dim=1)
        known = distances[distances.isfinite()]
        return {"references": seen[rows].half(), "threshold": known.quantile(self.quantile)}

    def parted(self, course: Course) -> bool:
        seen = course.present(self.substrate).flatten()[None].float()
        nearest = _distances(seen, course.learned["references"].float()).amin()
        return bool(nearest > course.learned["threshold"])


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """``[M, R]`` root mean square differences of ``[M, D]`` and ``[R, D]``."""
    return torch.cdist(a, b) / math.sqrt(a.shape[1])
