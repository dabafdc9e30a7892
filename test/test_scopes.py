"""What does not change is computed once, at the widest scope at which it is the same, and never stays too long."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_policy import observation
from tiny import INSTRUCTIONS, tiny_checkpoint, tiny_model
from torch import nn

from wam_core.dial import Dial
from wam_core.model import sampling
from wam_core.model.groups import TokenGroup, Wiring
from wam_core.model.runtimes.eager import Eager
from wam_core.model.situation import Situation
from wam_core.paths import share_path
from wam_core.policy import Policy
from wam_core.presets import load_preset, preset_names

#: Largest difference of normalised features, which are of size one, between the fast path and the full forward.
ERROR = 1e-5


def count(counted: Counter[str], name: str, module: nn.Module) -> None:
    module.register_forward_hook(lambda *_: counted.update([name]))


def test_each_part_runs_as_often_as_it_changes() -> None:
    """Words, time steps and the seen frame were computed again in every step, chunk or future, or the frame to the end
    of the last layer, of which only keys and values are read."""
    policy, counted = Policy(tiny_checkpoint("fast_wam"), seed=0), Counter[str]()
    model = policy.checkpoint.model
    action = model.trunk.expert("action")
    count(counted, "words", model.text)
    count(counted, "time", action.time_embedding)
    count(counted, "cross-attention", action.block(0).cross_attn.k)
    count(counted, "present", model.trunk.expert("video").block(0).self_attn.k)
    count(counted, "unread", model.trunk.expert("video").block(model.trunk.size.layers - 1).ffn)
    count(counted, "action", action.block(0).self_attn.k)
    policy.act(observation())
    # The words' keys, and those of what the robot measures of itself.
    assert counted == {"words": 1, "time": 3, "cross-attention": 2, "present": 1, "action": 3}
    policy.act(observation())
    assert counted == {"words": 1, "time": 3, "cross-attention": 3, "present": 2, "action": 6}
    counted.clear()
    policy.imagine()
    assert counted == {"present": 1, "unread": 1}, "the future's one step, on what the chunk saw"
    policy.act(observation(instruction=INSTRUCTIONS[1]))
    assert counted["words"] == 1 and counted["time"] == 0


def test_candidates_share_what_they_are_conditioned_on() -> None:
    """Four candidates encoded the same frame four times, and an imagined future encoded it again."""
    situation, rows = some_situation("fast_wam", 1), list[int]()
    block = situation.runtime.model.trunk.expert("video").block(0)
    block.self_attn.k.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    for samples in (4, 1):
        sampling.generate(situation, ["action"], 2, torch.Generator().manual_seed(0), samples=samples)
    assert rows == [1]


def some_situation(name: str, batch: int) -> Situation:
    model = tiny_model(name)
    present = [g for g in model.wiring.groups.values() if g.source == "observed"]
    observed = {g.content: torch.randn(batch, *model.shape_of(g.name)) for g in present}
    words, state = torch.randint(1, 10, (batch, 12)), torch.randn(batch, 7)
    return Situation(Eager(model), observed, model.context(words, state).detach())


@pytest.mark.parametrize("name", preset_names())
def test_the_fast_path_equals_the_full_forward(name: str) -> None:
    """A value kept from another step, sample or observation bent the chunk a little, and only success rates fell."""
    situation = some_situation(name, 1)
    generated = [g.name for g in situation.runtime.model.wiring.groups.values() if g.source == "generated"]
    for outputs, samples in (([load_preset(name).basis], 3), (generated, 1)):
        fast, full = (
            sampling.generate(situation, outputs, 4, torch.Generator().manual_seed(7), samples=samples, reuse=reuse)
            for reuse in (True, False)
        )
        assert set(fast) == set(full) >= set(outputs)
        for key, value in fast.items():
            assert (value - full[key]).abs().max() < ERROR, key


def test_nothing_outlives_its_scope() -> None:
    """The arm followed the last instruction, or the last image, after a new one had come."""
    dark = {c: np.zeros((128, 128, 3), np.uint8) for c in ("front", "wrist")}
    following = [
        observation(),
        observation(instruction=INSTRUCTIONS[1]),
        observation(images=dark),
        observation(proprioception=np.full(7, 0.1)),
        observation(),
    ]
    policy = Policy(tiny_checkpoint(), seed=0)
    for sequence, seen in enumerate(following):
        fresh = Policy(tiny_checkpoint(), seed=0)
        fresh.sequence, fresh.dial = sequence, policy.dial
        assert np.array_equal(policy.act(seen).values, fresh.act(seen).values)
        assert np.array_equal(policy.imagine()[0].values, fresh.imagine()[0].values)
        policy.dial = Dial(4 + sequence)


def test_only_what_the_observation_decides_is_kept_for_it() -> None:
    """A clean group that sees a generated one's copy was computed before that was there."""
    future = TokenGroup("future", "video", "future", "generated", "video", ("frame", "future"), "regression")
    frame = TokenGroup("frame", "video", "present", "observed", "video", ("frame",))
    copy = TokenGroup("copy", "video", "future", "copy", "video", ("copy",), copy_of="future")
    late = replace(frame, name="late", sees=("copy", "late"))
    wiring = Wiring([frame, future, copy, late])
    assert wiring.given(wiring.groups) == ("frame",)


def test_a_warm_up_leaves_no_trace() -> None:
    """The first chunk differed from that of a run without warm-up, or a future was shown before the first chunk."""
    cold, warm = Policy(tiny_checkpoint(), seed=0), Policy(tiny_checkpoint(), seed=0)
    warm.warm_up()
    assert warm.imagine() == () and warm.sequence == 0
    assert np.array_equal(cold.act(observation()).values, warm.act(observation()).values)


@pytest.mark.parametrize("suffix", ["", "_joint", "_idm"])
def test_scaled_presets_divide_their_work_as_the_released_model_does(suffix: str) -> None:
    """A ratio of latencies was measured with as few pictures as the cell needs, and told as if of the real model."""
    scaled = load_preset(str(share_path(f"config/wam/scaled/fast_wam{suffix}.yaml")))
    released = load_preset(f"fast_wam_libero{suffix}")
    tokens = [
        {g.name: p.substrates[g.substrate].shape(p.clip).tokens(g.span) for g in p.groups if g.substrate == "video"}
        for p in (scaled, released)
    ]
    assert tokens[0] == tokens[1] and tokens[0]["first_frame"] == 98 and tokens[0]["future"] == 196
    for field in ("horizon", "frame_stride", "steps", "text_length"):
        assert getattr(scaled, field) == getattr(released, field), field
    assert [(g.name, g.sees) for g in scaled.groups] == [(g.name, g.sees) for g in released.groups]
    for name, expert in released.experts.items():
        assert (8 * scaled.experts[name].width, 8 * scaled.experts[name].ffn) == (expert.width, expert.ffn)
    assert scaled.published and scaled.published.text and released.published and released.published.text
    text, full = scaled.published.text, released.published.text
    assert 8 * scaled.trunk.text_dim == released.trunk.text_dim
    assert (8 * text.heads, 8 * text.ffn) == (full.heads, full.ffn)
    assert text.layers / full.layers <= scaled.trunk.layers / released.trunk.layers
