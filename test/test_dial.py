"""The dial: what a trained preset can be told to compute less of, while it runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_policy import observation
from test_scopes import count, some_situation
from tiny import tiny_checkpoint, tiny_senses

from wam_core.cli.main import run
from wam_core.dial import Dial, dials
from wam_core.dial_limits import check_dial, horizons
from wam_core.errors import ContractError
from wam_core.model import sampling
from wam_core.model.generators.table import GENERATORS
from wam_core.model.sampling import Shortcuts
from wam_core.policy import Policy
from wam_core.presets import load_preset, preset_names

#: Presets whose futures are of frames that can be left out, one by one.
CUT = [name for name in preset_names() if horizons(load_preset(name))]
#: Presets that denoise a future beside the chunk.
JOINT = ["fast_wam_joint", "uwm", "motus", "dreamzero", "x_wam", "pad", "ud_vla", "cosmos_policy"]


def acted(policy: Policy) -> np.ndarray:
    senses = tiny_senses(policy.checkpoint.robot, policy.senses)
    return policy.act(observation(senses=senses)).values


def test_the_dial_can_be_turned_in_presets_of_every_kind() -> None:
    """All presets refused it, and each refusal was tested."""
    assert {"audio_wm", "im2flow2act", "tesseract", "unipi", "vidar"} == set(CUT)
    for name in JOINT:
        check_dial(Dial(cache_reuse=2), load_preset(name))


def test_a_dial_turned_back_leaves_no_trace() -> None:
    """A model that had once been hurried stayed another one."""
    for name in ("fast_wam", "fast_wam_joint"):
        policy, plain = (Policy(tiny_checkpoint(name), seed=0) for _ in range(2))
        reuse = 2 if name == "fast_wam_joint" else 1
        first, expected = acted(policy), [acted(plain) for _ in range(3)]
        policy.dial = Dial(2, 0, reuse)
        hurried = acted(policy)
        policy.dial = Dial()
        assert np.array_equal(first, expected[0]) and np.array_equal(acted(policy), expected[2])
        assert not np.array_equal(hurried, expected[1])


@pytest.mark.parametrize("name", JOINT)
def test_what_lies_beside_the_chunk_is_computed_once_for_several_steps(name: str) -> None:
    """A parameter that made nothing faster; or a chunk that was not carried in every step."""
    plain, reused = Policy(tiny_checkpoint(name), seed=0), Policy(tiny_checkpoint(name), seed=0)
    plain.dial, reused.dial = Dial(4), Dial(4, cache_reuse=3)
    passes, trunk = list[tuple[str, ...]](), reused.checkpoint.model.trunk
    trunk.register_forward_pre_hook(lambda _, inputs: passes.append(tuple(inputs[0])))
    once, made = acted(plain), acted(reused)
    chunk = [groups for groups in passes if "action" in groups]
    whole = [len(groups) > 1 for groups in chunk]
    assert len(chunk) >= 4 and whole == [i % 3 == 0 for i in range(4)] * (len(chunk) // 4)
    # The codes of a random masked model are the same in every step.
    assert np.isfinite(made).all() and (name == "ud_vla" or not np.array_equal(made, once))


def test_between_passes_the_chunk_is_denoised_on_what_the_last_one_gave() -> None:
    """What stood beside the chunk was seen as it had been at the first step, or went on by itself."""
    situation = some_situation("fast_wam_joint", 1)
    runtime, wiring = situation.runtime, situation.runtime.model.wiring
    steps, rng = 5, torch.Generator().manual_seed(3)
    short = Shortcuts(lead="action", every=2)
    made = sampling.generate(situation, ["action", "future"], steps, rng, shortcuts=short)
    noise = sampling.split(torch.Generator().manual_seed(3), wiring.groups)
    x = {n: torch.randn((1, *runtime.model.shape_of(n)), generator=noise[n]) for n in ("future", "action")}
    text, seen = situation.text(["action", "future"]), situation.seen(["first_frame"])
    levels = {n: GENERATORS[wiring.groups[n].generator].levels(steps, wiring.groups[n].shift).tolist() for n in x}
    with torch.no_grad():
        for i in range(steps):
            now = {n: levels[n][i] for n in x}
            if i % 2 == 0:
                heads, kept = runtime.carry(x, now, text, seen, ["future"])
            else:
                heads["action"] = runtime.carry({"action": x["action"]}, now, text, {**seen, **kept})[0]["action"]
            x = {n: GENERATORS[wiring.groups[n].generator].advance(x[n], heads[n], now[n], levels[n][i + 1]) for n in x}
    for name in x:
        torch.testing.assert_close(made[name], x[name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", CUT)
def test_a_shorter_future_is_made_of_the_first_frames(name: str) -> None:
    """A future that reached half as far was shown as one that went twice as fast; or nothing was saved."""
    whole, half = (Policy(tiny_checkpoint(name), seed=0) for _ in range(2))
    preset = whole.checkpoint.preset
    half.dial = Dial(imagined_horizon=preset.horizon // 2)
    acted(whole)
    acted(half)
    for one, other in zip(whole.imagine(), half.imagine(), strict=True):
        assert len(other.values) * 2 == len(one.values) and other.values.shape[1:] == one.values.shape[1:]
        assert other.step_ns == one.step_ns and np.isfinite(other.values).all()
    tokens = {g.name: half._thought.features(g).shape[1] for g in preset.futures()}  # type: ignore[union-attr]
    assert all(2 * n == half.checkpoint.model.shape_of(group)[0] for group, n in tokens.items())


@pytest.mark.parametrize("name", CUT)
def test_the_fast_path_of_a_shorter_future_equals_the_full_forward(name: str) -> None:
    """A copy or a tap of a shorter future had the places of other frames."""
    situation, model = some_situation(name, 1), None
    model = situation.runtime.model
    cut = {g.name: model.shape_of(g.name)[0] // 2 for g in load_preset(name).futures()}
    generated = [g.name for g in model.wiring.groups.values() if g.source == "generated"]
    fast, full = (
        sampling.generate(
            situation, generated, 3, torch.Generator().manual_seed(7), reuse=reuse, shortcuts=Shortcuts(cut)
        )
        for reuse in (True, False)
    )
    for key, value in fast.items():
        assert (value - full[key]).abs().max() < 1e-5, key


def test_the_words_are_not_read_again_when_the_dial_is_turned() -> None:
    """Each turn loaded the model anew, or forgot what is the same for a whole instruction."""
    from collections import Counter

    policy, counted = Policy(tiny_checkpoint(), seed=0), Counter[str]()
    count(counted, "words", policy.checkpoint.model.text)
    for steps in (0, 1, 2):
        policy.dial = Dial(steps)
        acted(policy)
    assert counted == {"words": 1}


def test_a_chunk_and_its_future_go_by_one_dial() -> None:
    """The dial was turned between a chunk and what is imagined with it, and the two did not belong together."""
    turned, left = (Policy(tiny_checkpoint("x_wam"), seed=0) for _ in range(2))
    for policy in (turned, left):
        policy.dial = Dial(6)
        acted(policy)
    turned.dial = Dial(2, cache_reuse=2)
    for one, other in zip(turned.imagine(), left.imagine(), strict=True):
        assert np.array_equal(one.values, other.values, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "dial", "said"),
    [
        ("fast_wam", Dial(cache_reuse=2), "dial.cache_reuse: got 2, expected 1: fast_wam denoises nothing beside its"),
        ("fast_wam_joint", Dial(cache_reuse=0), "dial.cache_reuse: got 0, expected 1 or more"),
        ("fast_wam", Dial(imagined_horizon=8), "got 8, expected 0: future of fast_wam is one frame of tokens"),
        ("unipi", Dial(imagined_horizon=5), "got 5, expected 0 or one of 4, 8, 12, 16 chunk steps"),
        ("avdc", Dial(imagined_horizon=8), "its rigid_motion reads futures to their end"),
        ("worldvla", Dial(imagined_horizon=8), "written token by token"),
        ("behaviour_cloning", Dial(imagined_horizon=8), "imagines nothing"),
        ("behaviour_cloning", Dial(3), "got 3, expected 0: no group of behaviour_cloning takes as many"),
        ("fast_wam", Dial(-1), "got -1, expected 0 or more"),
    ],
)
def test_what_a_preset_does_not_have_is_refused_by_name(name: str, dial: Dial, said: str) -> None:
    """A parameter was taken and changed nothing."""
    with pytest.raises(ContractError) as refused:
        check_dial(dial, load_preset(name))
    assert said in str(refused.value)


def test_a_policy_keeps_its_dial_when_another_is_refused() -> None:
    """A refused dial was in use all the same."""
    policy = Policy(tiny_checkpoint(), seed=0)
    policy.dial = Dial(3)
    with pytest.raises(ContractError, match="cache_reuse"):
        policy.dial = replace(policy.dial, cache_reuse=2)
    assert policy.dial == Dial(3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cache_reuse:=2"], "denoises nothing beside its action"),
        (["imagined_horizon:=8"], "one frame of tokens"),
        (["denoising_steps:=3", "--futures"], "whole futures are scored"),
    ],
)
def test_an_evaluation_does_not_ignore_a_dial(words: list[str], said: str) -> None:
    """A table of a hundred episodes said nothing of what had been asked."""
    with pytest.raises(ContractError, match=said):
        run("eval", ["model:=fast_wam", "tasks:=reach", "episodes:=1", *words])


def test_points_are_every_combination() -> None:
    assert dials((1, 2), (0,), (1, 3)) == [Dial(1), Dial(1, cache_reuse=3), Dial(2), Dial(2, cache_reuse=3)]
