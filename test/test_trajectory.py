"""Planners that optimise a chunk, on worlds whose best chunk is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.planners.trajectory import Cem, Mppi, Trajectory
from wam_core.preset import ACTION
from wam_core.presets import from_dict, load_preset

STEPS, COLUMNS = 16, 7
#: A smooth chunk that scores best.
BEST = torch.sin(torch.linspace(0.0, 2.5, STEPS))[:, None] * torch.linspace(-1.5, 1.5, COLUMNS)

MPPI = Mppi("mppi", 64, 12, "score", knots=4, deviation=0.6, bound=3.0, temperature=0.05)
CEM = Cem("cem", 128, 12, "score", knots=4, deviation=1.0, bound=3.0, elites=16)


@dataclass
class Valley:
    """What is nearer to the best chunk scores more; the model's own chunk is at zero. ``held`` steps are committed."""

    best: Tensor
    held: int = 0
    calls: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    tried: list[Tensor] = field(default_factory=list)

    def generate(
        self,
        outputs: tuple[str, ...],
        rng: torch.Generator,
        candidates: int = 0,
        given: Mapping[str, Tensor] | None = None,
    ) -> Mapping[str, Tensor]:
        self.calls.append((outputs, candidates))
        if not given:
            return {ACTION: torch.zeros(1, STEPS, COLUMNS)}
        asked = given[ACTION].clone()
        asked[:, : self.held] = 0.5
        self.tried.append(asked)
        score = -((asked - self.best) ** 2).mean(dim=(1, 2))
        return {ACTION: asked, "score": score[:, None, None].expand(-1, 4, 1)}


def planned(planner: Trajectory, world: Valley, seed: int = 0) -> Tensor:
    return planner.choose(world, ACTION, torch.Generator().manual_seed(seed))[ACTION]


@pytest.mark.parametrize("planner", [MPPI, CEM], ids=["mppi", "cem"])
@pytest.mark.parametrize("seed", range(3))
def test_a_plan_moves_to_what_scores_best(planner: Trajectory, seed: int) -> None:
    """A planner took the best of what it had tried at first, or went the other way."""
    world = Valley(BEST)
    plan = planned(planner, world, seed)
    before, after = (float(((p - BEST) ** 2).mean()) for p in (torch.zeros(1, STEPS, COLUMNS), plan))
    assert plan.shape == (1, STEPS, COLUMNS) and after < 0.2 * before
    once = planned(replace(planner, rounds=1), Valley(BEST), seed)
    assert after < 0.6 * float(((once - BEST) ** 2).mean()), "rounds do not go on from each other"
    assert len(world.calls) == 1 + planner.rounds + 1 and world.calls[1] == (("score",), planner.candidates)


@pytest.mark.parametrize("planner", [MPPI, CEM], ids=["mppi", "cem"])
def test_nothing_is_tried_that_no_recording_came_near(planner: Trajectory) -> None:
    """A world model was asked about chunks that it had never seen the like of, and promised everything."""
    world = Valley(torch.full((STEPS, COLUMNS), 9.0))
    plan = planned(replace(planner, bound=1.2), world)
    assert (
        max(float(tried.abs().max()) for tried in world.tried) <= 1.2 + 1e-6 and float(plan.abs().max()) <= 1.2 + 1e-6
    )
    assert float(plan.mean()) > 0.8


@pytest.mark.parametrize("planner", [MPPI, CEM], ids=["mppi", "cem"])
def test_a_plan_depends_on_its_seed_alone_and_is_smooth(planner: Trajectory) -> None:
    """The same seed gave another plan; candidates shook, and no arm could have followed them."""
    plans = [planned(planner, Valley(BEST), seed) for seed in (3, 3, 4)]
    assert torch.equal(plans[0], plans[1]) and not torch.equal(plans[0], plans[2])
    world = Valley(BEST)
    planned(replace(planner, rounds=1), world)
    bends = (world.tried[0][1:].diff(dim=1).diff(dim=1).abs() > 1e-4).float().mean(dim=(1, 2))
    assert float(bends.max()) < 0.5, "straight between the knots"


@pytest.mark.parametrize("planner", [MPPI, CEM], ids=["mppi", "cem"])
def test_steps_that_are_committed_stay_as_they_are(planner: Trajectory) -> None:
    """The plan moved steps that were being executed already."""
    plan = planned(planner, Valley(BEST, held=3))
    assert bool((plan[:, :3] == 0.5).all()) and float(((plan - BEST)[:, 3:] ** 2).mean()) < 0.2


def test_one_good_candidate_is_enough_for_mppi_and_none_is_no_reason_to_move() -> None:
    """Scores of any scale: where all were a hair apart the plan became the mean of noise, or nothing moved it."""
    tried, scores = torch.randn(8, STEPS, COLUMNS), torch.full((8,), 1e-4)
    scores[5] = 1.1e-4
    plan, _ = replace(MPPI, temperature=0.01).improved(tried, scores, torch.ones(1, 1, 1))
    torch.testing.assert_close(plan[0], tried[5])
    same, _ = MPPI.improved(tried, torch.zeros(8), torch.ones(1, 1, 1))
    torch.testing.assert_close(same[0], tried.mean(dim=0))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("mppi", {"candidates": 1}, r"planner\.candidates"),
        ("mppi", {"rounds": 0}, r"planner\.rounds"),
        ("mppi", {"temperature": 0.0}, r"planner\.temperature"),
        ("cem", {"elites": 65}, r"planner\.elites"),
        ("cem", {"bound": -1.0}, r"planner\.bound"),
        ("cem", {"deviation": 0.0}, r"planner\.deviation"),
        ("cem", {"knots": 1}, r"planner\.knots"),
        ("cem", {"score": "critical"}, r"planner\.score.*depends on action"),
    ],
)
def test_what_cannot_plan_is_refused(kind: str, changes: dict[str, object], message: str) -> None:
    """A planner with one candidate never moved, and nobody was told."""
    raw = load_preset("dreamavoid").to_dict()
    whole = {
        "kind": kind,
        "candidates": 64,
        "rounds": 3,
        "score": "progress",
        "knots": 4,
        "deviation": 0.5,
        "bound": 3.0,
    }
    from_dict({**raw, "planner": whole}, "mine")
    with pytest.raises(ContractError, match=message):
        from_dict({**raw, "planner": {**whole, **changes}}, "mine")
