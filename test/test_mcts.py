"""Monte-Carlo tree search in worlds whose best way is known, and in a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wam_core.errors import ContractError
from wam_core.planners.mcts import Mcts
from wam_core.preset import ACTION
from wam_core.presets import from_dict, load_preset


@dataclass(frozen=True)
class Walk:
    """A walk on a line, a step of -1..1 for a chunk; where it ends is worth what ``worth`` says."""

    worth: Mapping[str, float]
    place: float = 0.0
    steps: int = 0
    grown: list[tuple[float, int]] = field(default_factory=list)

    def sub_instructions(self) -> tuple[str, ...]:
        raise NotImplementedError

    def told(self, instruction: str) -> Walk:
        raise NotImplementedError

    def after(self, made: Mapping[str, torch.Tensor]) -> Walk:
        return Walk(self.worth, self.place + float(made[ACTION].mean()), self.steps + 1, self.grown)

    def generate(
        self,
        outputs: tuple[str, ...],
        rng: torch.Generator,
        candidates: int = 0,
        given: Mapping[str, torch.Tensor] | None = None,
    ) -> dict[str, torch.Tensor]:
        if outputs == (ACTION,):
            return {ACTION: (2.0 * torch.rand(1, 1, 1, generator=rng) - 1.0).expand(1, 2, 3)}
        assert given is not None and set(outputs) == {"future", "progress"}
        end = self.place + float(given[ACTION].mean())
        self.grown.append((self.place, self.steps + 1))
        near = self.worth["hill"] * max(0.0, 1.0 - 4.0 * abs(end - 0.5))
        far = self.worth["mountain"] * max(0.0, 1.0 - abs(end + 1.6) / 0.6)
        return {**given, "future": torch.zeros(1, 2, 3), "progress": torch.tensor([[[9.0], [near + far]]])}


def searched(world: Walk, seed: int = 0, **options: float) -> float:
    chosen = {"nodes": 80, "depth": 2, "exploration": 0.7, "widening": 1.5} | options
    planner = Mcts("mcts", "future", "progress", **chosen)  # type: ignore[arg-type]
    made = planner.choose(world, ACTION, torch.Generator().manual_seed(seed))
    assert {ACTION, "future", "progress"} <= set(made) and len(made[ACTION]) == 1
    return float(made[ACTION].mean())


def test_it_goes_away_from_a_near_hill_towards_a_far_mountain() -> None:
    """The search judged by the next chunk alone: what only two chunks reach was never seen."""
    world = {"hill": 0.3, "mountain": 1.0}
    far = [searched(Walk(world), seed) for seed in range(5)]
    assert sum(step < -0.4 for step in far) >= 4, far
    near = [searched(Walk(world), seed, depth=1) for seed in range(5)]
    assert sum(step > 0.2 for step in near) >= 4, near


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 60), st.integers(1, 4), st.floats(1.0, 3.0), st.integers(0, 100))
def test_it_is_bounded_and_widens_with_its_visits(nodes: int, depth: int, widening: float, seed: int) -> None:
    """A search without bounds: one child after another of the root, or a chain of futures of futures of futures."""
    world = Walk({"hill": 0.3, "mountain": 1.0})
    first = searched(world, seed, nodes=nodes, depth=depth, widening=widening)
    assert 1 <= len(world.grown) <= nodes and max(deep for _, deep in world.grown) <= depth
    at_root = sum(deep == 1 for _, deep in world.grown)
    assert at_root <= math.ceil(widening * math.sqrt(nodes))
    again = Walk(world.worth)
    assert searched(again, seed, nodes=nodes, depth=depth, widening=widening) == first and again.grown == world.grown


def test_what_promises_more_is_visited_more() -> None:
    """Every branch got the same share of the turns: no search, but a grid."""
    world = Walk({"hill": 1.0, "mountain": 0.0})
    searched(world, nodes=150, exploration=0.3)
    below = [place for place, deep in world.grown if deep == 2]
    assert sum(0.25 < place < 0.75 for place in below) > 0.5 * len(below)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": "critical"}, r"planner\.score.*depends on action"),
        ({"future": "dreem"}, "did you mean 'dream'"),
        ({"future": "dream"}, r"planner\.future.*generated"),
        ({"nodes": 0}, r"planner\.nodes"),
        ({"depth": 0}, r"planner\.depth"),
        ({"widening": 0.5}, r"planner\.widening"),
        ({"exploration": -1.0}, r"planner\.exploration"),
    ],
)
def test_a_search_without_what_it_asks_is_refused(changes: Mapping[str, object], message: str) -> None:
    """Actions were searched by a score that knew nothing of them."""
    raw = load_preset("dreamavoid").to_dict()
    planner = {"kind": "mcts", "future": "future", "score": "progress", "nodes": 8, "depth": 2}
    planner |= {"exploration": 0.5, "widening": 1.0}
    from_dict({**raw, "planner": planner}, "mine")
    with pytest.raises(ContractError, match=message):
        from_dict({**raw, "planner": {**planner, **changes}}, "mine")
