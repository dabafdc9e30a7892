"""Where presets stand on the survey's axes, and what their wiring promises: causal, interactable."""

import ast
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from tiny import tiny_model

from wam_core.anatomy import Anatomy, classify, survey, surveyed
from wam_core.errors import ContractError
from wam_core.model.groups import Wiring
from wam_core.model.runtimes.eager import Eager
from wam_core.preset import ACTION, Preset
from wam_core.presets import load_preset, preset_names, published_names

#: Those that generate an action; others recover one from a future.
ACTING = [name for name in preset_names() if load_preset(name).futures() and not load_preset(name).recovery]
FOLLOWING = [name for name in (*preset_names(), *published_names()) if load_preset(name).system]


def rewired(preset: Preset, group: str, **changes: object) -> Preset:
    groups = tuple(replace(g, **changes) if g.name == group else g for g in preset.groups)  # type: ignore[arg-type]
    return replace(preset, groups=groups)


@pytest.mark.parametrize("name", FOLLOWING)
def test_the_wiring_stands_where_the_survey_puts_the_system(name: str) -> None:
    """A preset carried a system's name and another system's wiring."""
    assert classify(load_preset(name)) == surveyed(load_preset(name))


@cache
def all_tests() -> set[str]:
    files = Path(__file__).parent.glob("test_*.py")
    nodes = [node for file in files for node in ast.parse(file.read_text()).body]
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", [n for n in preset_names() if load_preset(n).system])
def test_what_distinguishes_a_system_is_held_by_a_test_that_exists(name: str) -> None:
    """A mechanism was only ever named, and a file full of names looked like thirty systems."""
    assert load_preset(name).held_by and set(load_preset(name).held_by) <= all_tests()


def test_the_survey_has_all_its_systems() -> None:
    """A system that was lost from the table could never be compared with."""
    assert len(survey()) == 109
    with pytest.raises(ContractError, match=r"Fast-VAM.*did you mean 'Fast-WAM'"):
        surveyed(replace(load_preset("fast_wam"), system="Fast-VAM"))


def test_the_place_is_read_off_the_wiring() -> None:
    """The tuple was a label that a changed wiring kept."""
    fast = load_preset("fast_wam")
    place = Anatomy("Feature (encoder-only)", "Diffusion", "Post-prediction head", "Chunked")
    assert classify(fast) == place
    assert classify(replace(fast, replan_steps=1)) == replace(place, deployment="Single-step")
    seen = rewired(fast, "future", sees=("first_frame", "action", "future"))
    assert classify(seen) == replace(place, substrate="Pixel (latent)", coupling="Joint generation")
    assert classify(rewired(fast, "future", loss_weight=0.0)) is None
    assert classify(rewired(fast, "future", generator="regression")) == replace(place, backbone="Joint-embedding")
    untapped = rewired(load_preset("mimic_video"), "future_tap", source="copy", level=0.0)
    assert classify(untapped) == replace(place, substrate="Pixel (latent)")
    coupled = rewired(rewired(load_preset("uwm"), "future", schedule="one"), ACTION, schedule="one")
    assert classify(coupled) == replace(place, substrate="Pixel (latent)", coupling="Joint generation")


def sampled(name: str, outputs: tuple[str, ...], weights: int = 0, **options: object) -> dict[str, torch.Tensor]:
    model = tiny_model(name, weights)
    rng = torch.Generator().manual_seed(1)
    groups = [g for g in model.wiring.groups.values() if g.source == "observed"]
    observed = {g.content: torch.randn(1, *model.shape_of(g.name), generator=rng) for g in groups}
    context = torch.randn(1, 13, model.spec.trunk.text_dim, generator=rng)
    settings = {"steps": 4, "rng": torch.Generator().manual_seed(7), **options}
    return model.generate(observed, context, outputs, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ACTING)
def test_an_action_depends_on_the_future_exactly_where_it_is_wired_to(name: str) -> None:
    """The action read a future that it must not see, or ignored the one it was made for."""
    # What is tapped at full noise says nothing of what its group will become.
    groups = [replace(g, source="observed", copy_of="", level=0.0) if g.level == 1.0 else g
              for g in load_preset(name).groups]  # fmt: skip
    wiring = Wiring(groups)
    futures = [{"future": torch.full((1, *tiny_model(name).shape_of("future")), value)} for value in (0.0, 1.0)]
    # The likeliest of a few tokens may well be the same for two futures: with some weights it is not.
    changed = False
    for weights in range(4):
        first, second = (sampled(name, (ACTION,), weights, given=future)[ACTION] for future in futures)
        changed = changed or not torch.equal(first, second)
    assert changed == wiring.depends(ACTION, "future")


@pytest.mark.parametrize("name", ACTING)
def test_a_future_follows_the_given_action_exactly_where_it_is_wired_to(name: str) -> None:
    """A world model that planned with its own idea of the action instead of the one it was asked about."""
    wiring = Wiring(load_preset(name).groups)
    actions = [{ACTION: torch.full((1, *tiny_model(name).shape_of(ACTION)), value)} for value in (0.0, 1.0)]
    made = [sampled(name, ("future",), given=action) for action in actions]
    assert torch.equal(made[0]["future"], made[1]["future"]) != wiring.depends("future", ACTION)
    for action, values in zip(actions, made, strict=True):
        assert ACTION not in values or torch.equal(values[ACTION], action[ACTION])


@pytest.mark.parametrize("name", ACTING)
def test_the_action_is_the_same_whatever_is_imagined_with_it(name: str) -> None:
    """Denoising the future to its end moved the state that a tap had been taken from."""
    alone, both = sampled(name, (ACTION,)), sampled(name, (ACTION, "future"))
    assert torch.equal(alone[ACTION], both[ACTION]) and "future" in both


def test_a_tapped_future_is_denoised_no_further_than_its_tap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole video was denoised for an action that reads its first step."""
    model = tiny_model("mimic_video")
    levels: list[float] = []
    carry = Eager.carry

    def counted(self, features, now, text, cache, kept=()):  # type: ignore[no-untyped-def]
        levels.extend(now[n] for n in ("future", "future_tap") if n in now)
        return carry(self, features, now, text, cache, kept)

    monkeypatch.setattr(Eager, "carry", counted)
    sampled("mimic_video", (ACTION,))
    tap = model.wiring.groups["future_tap"].level
    assert levels[-1] == pytest.approx(tap) and all(level > tap for level in levels[:-1]) and len(levels) < 4


def test_groups_that_need_fewer_steps_do_not_wait_for_the_others() -> None:
    """Actions were ready after two steps, and eight more were taken to finish a picture nobody had asked for."""
    model = tiny_model("uwm")
    object.__setattr__(model.wiring.groups["future"], "steps", 12)
    context = torch.randn(1, 13, model.spec.trunk.text_dim)
    observed = {("video", "present"): torch.randn(1, *model.shape_of("first_frame"))}
    passes: list[int] = []
    carry = model.carry
    model.carry = lambda *a: (passes.append(1), carry(*a))[1]  # type: ignore[method-assign]
    made = model.generate(observed, context, (ACTION,), 3, torch.Generator().manual_seed(0))
    assert set(made) == {ACTION} and len(passes) == 1 + 3
    made = model.generate(observed, context, (ACTION, "future"), 3, torch.Generator().manual_seed(0))
    assert set(made) == {ACTION, "future"} and len(passes) == 4 + 1 + 12
