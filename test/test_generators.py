"""The ways of generating beside flow matching: score diffusion, masked tokens, joint embedding."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from wam_core.errors import ContractError
from wam_core.model.generators.bins import BINS, HIDDEN, from_bins, to_bins
from wam_core.model.generators.table import GENERATORS
from wam_core.model.groups import Wiring
from wam_core.model.token_diffuser import TokenDiffuser
from wam_core.presets import load_preset

MASKED, SCORE, EMBEDDING = (GENERATORS[n] for n in ("masked_diffusion", "score_diffusion", "joint_embedding"))


@pytest.mark.parametrize("name", GENERATORS)
@given(st.integers(1, 30), st.floats(1.0, 8.0))
def test_every_schedule_falls_to_zero(name: str, steps: int, shift: float) -> None:
    """Noise was left in what had been called finished."""
    levels = GENERATORS[name].levels(steps, shift)
    assert levels[-1] == 0.0 and bool((levels.diff() <= 0).all()) and levels[0] <= 1.0


@given(st.integers(0, 1000), st.floats(0.05, 1.0), st.floats(0.0, 1.0))
def test_score_steps_follow_their_path(seed: int, now: float, share: float) -> None:
    """The path of the steps was not the path that had been trained on."""
    rng = torch.Generator().manual_seed(seed)
    data, noise = torch.randn(1, 3, 2, generator=rng).clamp(-4, 4), torch.randn(1, 3, 2, generator=rng)
    following = share * now
    shown, target, _ = SCORE.show(data, noise, torch.tensor([now]))
    reached = SCORE.advance(shown, target, now, following)
    assert torch.allclose(reached, SCORE.show(data, noise, torch.tensor([following]))[0], atol=2e-3)


def test_a_wrong_score_does_not_run_away() -> None:
    """At the noisy end a small error of the noise is a hundredfold one of the data."""
    x = torch.randn(1, 4, 3)
    reached = SCORE.advance(x, x + 10.0, 1.0, 0.5)
    assert reached.abs().max() < 20.0


@given(st.floats(-4.0, 4.0))
def test_bins_are_fine_where_values_are_frequent(value: float) -> None:
    """Even bins spent most of their number where no action ever is."""
    middle = from_bins(to_bins(torch.tensor([value])))
    assert abs(float(middle) - value) < (0.05 if abs(value) < 1.0 else 2.0)
    assert float(middle) != HIDDEN


@given(st.integers(0, 500), st.integers(1, 10))
def test_masked_tokens_are_uncovered_by_the_schedule_and_never_change_again(
    seed: int, steps: int
) -> None:
    """Tokens that had been decided were decided anew, or all at once in the first step."""
    rng = torch.Generator().manual_seed(seed)
    bins = torch.randint(BINS, (2, 7, 3), generator=rng)
    levels = MASKED.levels(steps, 1.0)
    x = MASKED.start(torch.randn(2, 7, 3, generator=rng))
    for now, following in zip(levels[:-1].tolist(), levels[1:].tolist(), strict=True):
        logits = F.one_hot(bins, BINS) * (1.0 + torch.rand(2, 7, 1, 1, generator=rng))
        after = MASKED.advance(x, logits.flatten(2), now, following)
        known, hidden = x != HIDDEN, (after == HIDDEN).all(dim=-1)
        assert torch.equal(after[known], x[known])
        assert bool((hidden.sum(dim=1) == int(following * 7)).all())
        x = after
    assert torch.equal(x, from_bins(bins).float())


def test_the_surest_tokens_are_uncovered_first() -> None:
    """Tokens were uncovered in the order of their numbers, sure or not."""
    sure = torch.tensor([[0.1, 3.0, 0.2, 5.0]])
    logits = F.one_hot(torch.zeros(1, 4, 1, dtype=torch.long), BINS) * sure[..., None, None]
    after = MASKED.advance(MASKED.start(torch.zeros(1, 4, 1)), logits.flatten(2), 1.0, 0.5)
    assert (after[0, :, 0] != HIDDEN).tolist() == [False, True, False, True]


def test_only_hidden_tokens_are_asked_for() -> None:
    """The loss rewarded copying what had been shown."""
    x, noise = torch.randn(3, 8, 2), torch.randn(3, 8, 2)
    shown, target, _ = MASKED.show(x, noise, torch.tensor([0.0, 0.5, 1.0]))
    hidden = (shown == HIDDEN).all(dim=-1)
    assert hidden.sum(dim=1).tolist() == [1, 4, 8] and torch.equal(hidden, (target >= 0).all(dim=-1))
    logits = torch.randn(3, 8, 2 * BINS, requires_grad=True)
    MASKED.error(logits, target).sum().backward()
    assert torch.equal(logits.grad.abs().sum(dim=-1) > 0, hidden)  # type: ignore[union-attr]


def test_an_embedding_counts_by_its_direction() -> None:
    """The length of a feature was learned, where only its direction says what is seen."""
    target = torch.randn(2, 5, 6)
    assert torch.allclose(EMBEDDING.error(3.0 * target, target), torch.zeros(2), atol=1e-5)
    assert torch.allclose(EMBEDDING.error(-target, target), torch.full((2,), 2.0), atol=1e-5)
    made = EMBEDDING.advance(torch.zeros_like(target), 7.0 * target, 1.0, 0.0)
    assert torch.allclose(made.square().mean(dim=-1), torch.ones(2, 5), atol=1e-4)


def test_groups_that_share_a_head_need_generators_of_equal_outputs() -> None:
    """A head for one number was asked for sixty-four, deep inside the first training step."""
    from dataclasses import replace

    from wam_core.model.wam import WorldActionModel
    from wam_core.presets import model_spec
    from wam_core.robot.robot_file import load_robot

    preset = load_preset("fast_wam")
    other = replace(preset.groups[-1], name="other", generator="masked_diffusion", sees=("other",))
    mixed = replace(preset, groups=(*preset.groups, other))
    Wiring(mixed.groups)
    with pytest.raises(ContractError, match=r"groups\.other\.generator"):
        WorldActionModel(model_spec(mixed, load_robot("panda_cell"), ("the",)))


def test_tokens_are_learned_where_they_are_hidden_and_some_samples_hide_all_or_none() -> None:
    """Tokens that were shown were asked for too, and copied; or nothing was ever given whole."""
    torch.manual_seed(0)
    maker, x, noise = GENERATORS["token_diffusion"], torch.randn(4, 10, 3), torch.randn(4, 10, 3)
    shown, target, _ = maker.show(x, noise, torch.tensor([0.0, 0.3, 0.8, 1.0]))
    hidden = (shown == HIDDEN).all(dim=-1)
    assert hidden.sum(dim=1).tolist() == [0, 3, 8, 10] and torch.equal(hidden, target.isnan().logical_not().all(dim=-1))
    assert torch.equal(shown[~hidden], x[~hidden]) and torch.equal(target[hidden], x[hidden])
    diffuser, condition = TokenDiffuser(3, 16), torch.randn(4, 10, 16, requires_grad=True)
    errors = diffuser.error(condition, target, torch.Generator().manual_seed(0))
    assert float(errors[0].detach()) == 0.0 and bool((errors[1:] > 0).all())
    gradient = torch.autograd.grad(errors.sum(), condition)[0].abs().sum(dim=-1)
    assert torch.equal(gradient > 0, hidden)


def test_a_token_is_drawn_from_the_distribution_that_the_trunk_speaks_of() -> None:
    """The head gave the mean of two ways round an obstacle, as regression does."""
    torch.manual_seed(0)
    diffuser, rng = TokenDiffuser(1, 32), torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(diffuser.parameters(), 5e-3)
    condition = torch.zeros(64, 4, 32)
    for _ in range(150):
        sides = torch.randint(2, (64, 4, 1), generator=rng) * 2.0 - 1.0
        optimiser.zero_grad()
        diffuser.error(condition, sides, rng).mean().backward()
        optimiser.step()
    with torch.no_grad():
        drawn = diffuser.draw(condition, torch.randn(64, 4, 1, generator=rng))
    assert float((drawn.abs() - 1.0).abs().mean()) < 0.15 and 0.3 < float((drawn > 0).float().mean()) < 0.7
