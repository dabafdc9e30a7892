"""Tree search over the parts of a task: what each would lead to is imagined, and after it each of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.groups import Wiring
from wam_core.planners.planner import PlannerSpec, World, check_generated


@dataclass(frozen=True)
class TreeSearch(PlannerSpec):
    """A beam of branches of sub-instructions, of which the best one's first step is taken (Video Language Planning, Du
    et al. 2023, algorithm 1).

    From every branch each of the task's sub-instructions is rolled out ``videos`` times to a new end of ``future``. An
    end is worth the last value of ``score``, told the task as a whole; the ``beam`` best are kept, ``depth`` times.

    What is proposed is every sub-instruction that was recorded under the task: they are so few (up to four in the
    cell) that a learned proposer could save nothing and would only miss some. Of more than ``proposals`` as many are
    drawn, for each branch anew, so that the cost is bounded: ``proposals * videos * (1 + beam * (depth - 1))`` futures.
    """

    goes_on: ClassVar[bool] = True
    tells_parts: ClassVar[bool] = True

    kind: str
    future: str
    score: str
    depth: int
    beam: int
    videos: int
    proposals: int

    def check(self, wiring: Wiring, action: str) -> None:
        for field in ("depth", "beam", "videos", "proposals"):
            if getattr(self, field) < 1:
                raise ContractError(f"planner.{field}", getattr(self, field), "at least 1")
        check_generated(wiring, "planner.future", self.future)
        check_generated(wiring, "planner.score", self.score)
        if not wiring.depends(action, self.future):
            raise ContractError("planner.future", self.future, f"a future that {action} is made for")
        if not wiring.depends(self.score, self.future):
            raise ContractError("planner.score", self.score, f"a group that depends on {self.future}")

    def choose(self, world: World, action: str, rng: torch.Generator) -> Mapping[str, Tensor]:
        proposals = world.sub_instructions()
        branches = [_Branch(world, {}, 0.0)]
        for _ in range(self.depth):
            grown = [
                end
                for branch in branches
                for part in self._drawn(proposals, rng)
                for end in self._ends(branch, part, action, rng)
            ]
            branches = sorted(grown, key=lambda end: -end.worth)[: self.beam]
        return branches[0].first

    def _drawn(self, proposals: Sequence[str], rng: torch.Generator) -> list[str]:
        if len(proposals) <= self.proposals:
            return list(proposals)
        order = torch.randperm(len(proposals), generator=rng, device=rng.device)[: self.proposals]
        return [proposals[i] for i in order.tolist()]

    def _ends(self, branch: "_Branch", part: str, action: str, rng: torch.Generator) -> "list[_Branch]":
        imagined = branch.world.told(part).generate((action, self.future), rng, self.videos)
        judged = branch.world.generate((self.score,), rng, self.videos, given=imagined)
        made = {**judged, **imagined}
        worth = judged[self.score][:, -1].mean(dim=-1).tolist()
        each = [{name: value[i : i + 1] for name, value in made.items()} for i in range(self.videos)]
        return [_Branch(branch.world.after(m), branch.first or m, w) for m, w in zip(each, worth, strict=True)]


@dataclass(frozen=True)
class _Branch:
    """Where a branch ends, what its first step was made of, and what its end is worth."""

    world: World
    first: Mapping[str, Tensor]
    worth: float
