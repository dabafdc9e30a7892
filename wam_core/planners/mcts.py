"""Monte-Carlo tree search over actions: what is tried next is what promises most, or what has been tried least."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.groups import Wiring
from wam_core.planners.planner import PlannerSpec, World, check_free_of, check_generated


@dataclass(frozen=True)
class Mcts(PlannerSpec):
    """UCT (Kocsis and Szepesvari 2006) over chunks, with progressive widening (Coulom 2007).

    A node is the end of a chunk: the model is given the action and rolls out ``future``; the node is worth the last
    value of ``score``, which stands for what comes after it. Actions are drawn from the model's own ``action`` group:
    a node that was visited n times has up to ``widening * sqrt(n)`` children, and lies ``depth`` chunks deep at most.
    Each of ``nodes`` turns goes down by the upper confidence bound, in which ``exploration`` weighs what is untried,
    and adds one node where that ends. The chunk is the first action that was visited most.
    """

    goes_on: ClassVar[bool] = True

    kind: str
    future: str
    score: str
    nodes: int
    depth: int
    exploration: float
    widening: float

    def check(self, wiring: Wiring, action: str) -> None:
        for name in ("nodes", "depth"):
            if getattr(self, name) < 1:
                raise ContractError(f"planner.{name}", getattr(self, name), "at least 1")
        if not self.exploration >= 0.0:
            raise ContractError("planner.exploration", self.exploration, "0 or more")
        if not self.widening >= 1.0:
            raise ContractError("planner.widening", self.widening, "1 or more")
        for name, group in (("future", self.future), ("score", self.score)):
            check_generated(wiring, f"planner.{name}", group)
            if not wiring.depends(group, action):
                raise ContractError(f"planner.{name}", group, f"a group that depends on {action}")
        check_free_of(wiring, "groups.action.sees", action, self.future)

    def choose(self, world: World, action: str, rng: torch.Generator) -> Mapping[str, Tensor]:
        root = _Node(world, {}, 0.0)
        for _ in range(self.nodes):
            path = [root]
            while path[-1].children and not self._grows(path):
                path.append(max(path[-1].children, key=lambda child: self._bound(path[-1], child)))
            if self._grows(path):
                path.append(self._child(path[-1], action, rng))
            for node in path:
                node.visits += 1
                node.total += path[-1].worth
        return max(root.children, key=lambda child: child.visits).made

    def _grows(self, path: list[_Node]) -> bool:
        """Whether the path's end gets one more child."""
        end = path[-1]
        return len(path) <= self.depth and len(end.children) < self.widening * math.sqrt(end.visits + 1)

    def _bound(self, parent: _Node, child: _Node) -> float:
        untried = math.sqrt(math.log(parent.visits) / child.visits)
        return child.total / child.visits + self.exploration * untried

    def _child(self, node: _Node, action: str, rng: torch.Generator) -> _Node:
        drawn = node.world.generate((action,), rng, 1)
        made = node.world.generate((self.future, self.score), rng, 1, given={action: drawn[action]})
        child = _Node(node.world.after(made), made, float(made[self.score][:, -1].mean()))
        node.children.append(child)
        return child


@dataclass
class _Node:
    """Where a chunk leads; what it was made of, and what it is worth by itself and by what was found below it."""

    world: World
    made: Mapping[str, Tensor]
    worth: float
    visits: int = 0
    total: float = 0.0
    children: list[_Node] = field(default_factory=list)
