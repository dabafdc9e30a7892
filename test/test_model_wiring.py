"""Wirings: what depends on what, what is generated when, and what is refused."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tiny import tiny_model

from wam_core.errors import ContractError
from wam_core.model.groups import TokenGroup, Wiring
from wam_core.model.trunk import followed
from wam_core.presets import load_preset, preset_names

NEEDS = {
    "fast_wam": {"first_frame", "action"},
    "fast_wam_no_cotrain": {"first_frame", "action"},
    "behaviour_cloning": {"first_frame", "action"},
    "fast_wam_joint": {"first_frame", "future", "action"},
    "fast_wam_idm": {"first_frame", "future", "future_copy", "action"},
    "gigaworld_policy": {"first_frame", "action"},
    "uwm": {"first_frame", "future", "action"},
    "mimic_video": {"first_frame", "future", "future_tap", "action"},
}
STAGES = {
    "fast_wam": (("action",),),
    "fast_wam_no_cotrain": (("action",),),
    "behaviour_cloning": (("action",),),
    "fast_wam_joint": (("future", "action"),),
    "fast_wam_idm": (("future",), ("action",)),
    "gigaworld_policy": (("action",),),
    "uwm": (("future", "action"),),
    "mimic_video": (("future",), ("action",)),
}


def group(name: str, source: str, sees: str, copy_of: str = "") -> TokenGroup:
    generator = "flow_matching" if source == "generated" else ""
    return TokenGroup(name, "video", "future", source, "video", tuple(sees.split()), generator, copy_of=copy_of)


@pytest.mark.parametrize("name", NEEDS)
def test_only_what_an_action_needs_is_run(name: str) -> None:
    """The future was generated although nothing that was asked for could see it."""
    wiring = Wiring(load_preset(name).groups)
    assert set(wiring.needed(["action"])) == NEEDS[name]
    assert wiring.stages(["action"]) == STAGES[name]


def test_wirings_that_cannot_run_are_refused() -> None:
    """A cycle of copies looped for ever; a clean group that saw noise was cached as if it were clean."""
    waiting = [group("a", "generated", "b2", ""), group("b", "generated", "a2")]
    copies = [group("a2", "copy", "a2", "a"), group("b2", "copy", "b2", "b")]
    with pytest.raises(ContractError, match="order of generation"):
        Wiring([*waiting, *copies])
    with pytest.raises(ContractError, match="the group is clean"):
        Wiring([group("first", "observed", "first later"), group("later", "generated", "later")])
    with pytest.raises(ContractError, match="nobody"):
        Wiring([group("a", "generated", "a nobody")])
    with pytest.raises(ContractError, match=r"groups\.a\.gate.*a gate is clean"):
        Wiring([replace(group("a", "generated", "a"), gate="b"), group("b", "generated", "b")])
    with pytest.raises(ContractError, match="order of generation"):
        Wiring([replace(group("a", "generated", "a"), gate="a2"), group("a2", "copy", "a2", "a")])
    with pytest.raises(ContractError, match=r"groups\.a\.generator"):
        Wiring([TokenGroup("a", "action", "future", "generated", "action", ("a",))])


@pytest.mark.parametrize("name", preset_names())
def test_gradients_flow_exactly_where_the_wiring_says(name: str) -> None:
    """A wrong mask let the action peek at the true future in training, and success collapsed on the robot."""
    model = tiny_model(name)
    features, sigmas = {}, {}
    for key in model.wiring.groups:
        features[key] = torch.randn(2, *model.shape_of(key), requires_grad=True)
        sigmas[key] = torch.rand(2)
    context = model.context(torch.ones(2, 12, dtype=torch.long), torch.randn(2, 7))
    heads, _ = model.run(features, sigmas, model.text_cache(features, context), {})
    for target, head in heads.items():
        gradients = torch.autograd.grad(head.sum(), list(features.values()), retain_graph=True, allow_unused=True)
        direct = {target}
        while True:
            wider = direct | {s for g in direct for s in model.wiring.groups[g].reads}
            if wider == direct:
                break
            direct = wider
        for key, gradient in zip(features, gradients, strict=True):
            reached = gradient is not None and bool(gradient.abs().max() > 0)
            assert reached == (key in direct), (target, key)


@pytest.mark.parametrize("name", preset_names())
def test_reuse_changes_nothing(name: str) -> None:
    """Keys and values cached across denoising steps went stale and bent the chunk."""
    model = tiny_model(name)
    present = [g for g in model.wiring.groups.values() if g.source == "observed"]
    observed = {g.content: torch.randn(2, *model.shape_of(g.name)) for g in present}
    context = model.context(torch.ones(2, 12, dtype=torch.long), torch.randn(2, 7))
    outputs = [o for o in ("action", "future") if o in model.wiring.groups]
    made = []
    for reuse in (True, False):
        made.append(model.generate(observed, context, outputs, 4, torch.Generator().manual_seed(7), reuse))
    assert set(made[0]) == set(made[1]) >= set(outputs)
    for key in made[0]:
        assert (made[0][key] - made[1][key]).abs().max() < 1e-5


def test_fast_wam_acts_the_same_whatever_it_imagines() -> None:
    """The action changed when the imagined future was asked for as well, although it must not see it."""
    model = tiny_model("fast_wam")
    observed = {("video", "present"): torch.randn(1, *model.shape_of("first_frame"))}
    context = model.context(torch.ones(1, 12, dtype=torch.long), torch.randn(1, 7))
    alone = model.generate(observed, context, ["action"], 4, torch.Generator().manual_seed(7))
    features = {
        "first_frame": observed["video", "present"],
        "future": torch.randn(1, *model.shape_of("future")),
        "action": alone["action"],
    }
    sigmas = {"first_frame": torch.zeros(1), "future": torch.rand(1), "action": torch.zeros(1)}
    text = model.text_cache(features, context)
    first, _ = model.run(features, sigmas, text, {})
    features["future"] = torch.randn_like(features["future"])
    second, _ = model.run(features, sigmas, text, {})
    assert torch.equal(first["action"], second["action"])
    assert not torch.equal(first["future"], second["future"])


@pytest.mark.parametrize(("name", "step", "parts"), [("cot_vla", 1, (0, 1, 2, 5, 8)), ("worldvla", 8, (0, 8, 24, 32))])
def test_what_is_written_part_by_part_is_what_one_pass_says(name: str, step: int, parts: tuple[int, ...]) -> None:
    """A written token's keys were kept at another place, or of another token; the likeliest codes seldom showed it."""
    model = tiny_model(name)
    group, still = model.wiring.groups["future"], torch.zeros(1)
    shown = {n: torch.randn(1, *model.shape_of(n)) for n in group.sees}
    context = model.context(torch.ones(1, 12, dtype=torch.long), torch.randn(1, 7))
    text = model.text_cache(shown, context)
    with torch.no_grad():
        whole = model.run(shown, dict.fromkeys(shown, still), text, {})[0]["future"]
        seen = {n: x for n, x in shown.items() if n != "future"}
        cache = model.run(seen, dict.fromkeys(seen, still), text, {})[1]
        time, written = model.trunk.expert(group.expert).time(still), []
        for begin, end in pairwise(parts):
            # What nothing is predicted from yet may hold anything.
            known = shown["future"].clone()
            known[:, end - step :] = torch.randn_like(known[:, end - step :])
            head, own = model.write("future", known, time, range(begin, end), text, cache)
            cache["future"] = followed(cache["future"], own) if "future" in cache else own
            written.append(head)
    assert parts[-1] == whole.shape[1] and torch.allclose(torch.cat(written, dim=1), whole, atol=1e-5)
