"""What distinguishes systems that a language model carries, or masks train. Taken out of its preset, its test here
fails."""

import pytest
import torch
from test_anatomy import sampled
from test_mechanisms import future_of, passes
from tiny import tiny_model

from wam_core.model.experts.decoder import Decoder
from wam_core.model.generators.bins import BINS, from_bins
from wam_core.model.wam import WorldActionModel
from wam_core.presets import ACTION


def seen_by(model: WorldActionModel, group: str) -> list[list[int]]:
    """Which of its own tokens each token of a group is predicted from."""
    shown = {n: torch.randn(1, *model.shape_of(n)) for n in model.wiring.groups}
    shown[group].requires_grad_()
    context, still = torch.randn(1, 13, model.spec.trunk.text_dim), torch.zeros(1)
    head = model.run(shown, dict.fromkeys(shown, still), model.text_cache(shown, context), {})[0][group]
    rows = [torch.autograd.grad(t.square().sum(), shown[group], retain_graph=True)[0][0] for t in head[0]]
    return [(row.abs().sum(dim=-1) > 0).nonzero().flatten().tolist() for row in rows]


def test_cot_vla_writes_the_subgoal_under_causal_attention_and_acts_under_full_attention(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CoT-VLA: picture tokens one by one, each from those before it; the chunk in one pass, every step from all."""
    model = tiny_model("cot_vla")
    tokens, steps = model.shape_of("future")[0], model.shape_of(ACTION)[0]
    assert seen_by(model, "future") == [list(range(k)) for k in range(tokens)]
    assert seen_by(model, ACTION) == [list(range(steps))] * steps
    assert isinstance(model.trunk.expert("language"), Decoder) and set(model.trunk.mixtures) == {"language"}
    levels = passes("cot_vla", monkeypatch)
    assert len(levels["future"]) == tokens and len(levels[ACTION]) == 1


def test_cot_vla_acts_on_the_picture_that_it_wrote() -> None:
    """CoT-VLA: the chunk is that of the subgoal, whose tokens are codes."""
    values = from_bins(torch.arange(BINS)).float()
    codes = [future_of("cot_vla", float(values[k])) for k in (5, 50)]
    chunks = [sampled("cot_vla", (ACTION,), given=given)[ACTION] for given in codes]
    assert not torch.equal(*chunks)
    made = sampled("cot_vla", (ACTION,))
    assert all(bool(torch.isin(made[n], values).all()) for n in ("future", ACTION))
