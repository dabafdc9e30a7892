"""What distinguishes systems that a language model carries, or masks train. Taken out of its preset, its test here
fails."""

from dataclasses import replace

import pytest
import torch
from test_anatomy import sampled
from test_mechanisms import future_of, passes
from test_policy import observation
from tiny import WORDS, tiny_checkpoint, tiny_model

from wam_core.model.experts.decoder import Decoder
from wam_core.model.generators.bins import BINS, HIDDEN, from_bins
from wam_core.model.generators.table import GENERATORS
from wam_core.model.token_diffuser import TokenDiffuser
from wam_core.model.wam import WorldActionModel
from wam_core.policy import Policy
from wam_core.preset import ACTION
from wam_core.presets import load_preset, model_spec
from wam_core.robot.robot_file import load_robot
from wam_core.substrates.affordance_map import AffordanceMapSpec
from wam_core.triggers.progress_gate import ProgressGate


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
    written: list[range] = []
    write = WorldActionModel.write

    def watched(self, name, features, time, part, text, cache):  # type: ignore[no-untyped-def]
        written.append(part)
        return write(self, name, features, time, part, text, cache)

    monkeypatch.setattr(WorldActionModel, "write", watched)
    levels = passes("cot_vla", monkeypatch)
    assert written == [range(k, k + 1) for k in range(tokens)], "written tokens are not carried again"
    assert "future" not in levels and len(levels[ACTION]) == 1


def test_cot_vla_acts_on_the_picture_that_it_wrote() -> None:
    """CoT-VLA: the chunk is that of the subgoal, whose tokens are codes."""
    values = from_bins(torch.arange(BINS)).float()
    codes = [future_of("cot_vla", float(values[k])) for k in (5, 50)]
    chunks = [sampled("cot_vla", (ACTION,), given=given)[ACTION] for given in codes]
    assert not torch.equal(*chunks)
    made = sampled("cot_vla", (ACTION,))
    assert all(bool(torch.isin(made[n], values).all()) for n in ("future", ACTION))


def test_uva_draws_the_chunk_without_its_video_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """UVA: in control video tokens stay hidden, one pass gives the joint latent, and the action head alone draws."""
    drawn: list[int] = []
    draw = TokenDiffuser.draw

    def watched(self, condition, noise):  # type: ignore[no-untyped-def]
        drawn.append(noise.shape[-1])
        return draw(self, condition, noise)

    monkeypatch.setattr(TokenDiffuser, "draw", watched)
    levels = passes("uva", monkeypatch)
    assert levels[ACTION] == [1.0] and levels["future"] == [1.0] and drawn == [7]
    with torch.device("meta"):
        model = WorldActionModel(model_spec(load_preset("uva"), load_robot("panda_cell"), WORDS))
    assert set(model.diffusers) == {"video", ACTION} and set(model.trunk.mixtures) == {"joint"}
    trunk = sum(p.numel() for p in model.trunk.parameters())
    assert sum(p.numel() for p in model.diffusers.parameters()) < 0.5 * trunk


def test_uva_is_policy_and_either_dynamics_by_what_is_masked() -> None:
    """UVA: what is given is not masked, and conditions what is."""
    chunks = [sampled("uva", (ACTION,), given=future_of("uva", v))[ACTION] for v in (-1.0, 1.0)]
    videos = [sampled("uva", ("future",), given=future_of("uva", v, ACTION))["future"] for v in (-1.0, 1.0)]
    assert not torch.equal(*chunks) and not torch.equal(*videos)
    made = sampled("uva", (ACTION, "future"))
    assert not bool((made["future"] == HIDDEN).all(dim=-1).any()), "a token that was never drawn"
    levels = GENERATORS["token_diffusion"].noise_level(torch.linspace(0.0, 1.0, 101), 1.0)
    assert int((levels == 1.0).sum()) > 10 and int((levels < 1e-6).sum()) > 10


def test_palm_acts_on_each_map_that_its_language_model_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """PALM: object, contact, placement and motion in one pass of the language model; a diffusion expert reads all."""
    preset, model = load_preset("palm"), tiny_model("palm")
    maps = {"object": "object", "contact": "contact", "placement": "placement", "future": "motion"}
    kinds = {name: preset.substrates[model.wiring.groups[name].substrate] for name in maps}
    assert {name: spec.of for name, spec in kinds.items() if isinstance(spec, AffordanceMapSpec)} == maps
    # The maps see each other: only with the others held can it be told that this one is read.
    others = {k: v for name in (*maps, "progress") for k, v in future_of("palm", 0.0, name).items()}
    for name in maps:
        given = [{**others, **future_of("palm", v, name)} for v in (-1.0, 1.0)]
        chunks = [sampled("palm", (ACTION,), given=g)[ACTION] for g in given]
        assert not torch.equal(*chunks), name
        assert isinstance(model.trunk.expert(model.wiring.groups[name].expert), Decoder)
    levels = passes("palm", monkeypatch)
    assert all(levels[name] == [0.0] for name in (*maps, "progress")) and len(levels[ACTION]) == 4


def test_palm_gates_its_action_expert_by_progress() -> None:
    """PALM: how far the task has come decides what the action expert takes from maps and picture, and is not read."""
    wiring = tiny_model("palm").wiring
    assert set(tiny_model("palm").trunk.gates) == {ACTION}
    assert not {"progress", "how_far"} & set(wiring.groups[ACTION].sees)

    def chunk(group: str, value: float, shut: bool) -> torch.Tensor:
        model, generator = tiny_model("palm"), torch.Generator().manual_seed(7)
        for layer in model.trunk.gates[ACTION].layers if shut else ():  # type: ignore[union-attr]
            layer.bias.data.fill_(-100.0)
        first = {("scene", "present"): torch.ones(1, *model.shape_of("first_frame"))}
        context = torch.ones(1, 13, model.spec.trunk.text_dim)
        given = {group: torch.full((1, *model.shape_of(group)), value)}
        return model.generate(first, context, (ACTION,), 4, generator, given=given)[ACTION]

    for group in ("progress", "contact"):
        assert not torch.equal(chunk(group, -1.0, False), chunk(group, 1.0, False)), group
        assert torch.equal(chunk(group, -1.0, True), chunk(group, 1.0, True)), group


def test_palm_makes_a_new_chunk_when_the_task_has_not_come_as_far_as_promised() -> None:
    """PALM: the progress that gates the expert is held against what the chunk was made for."""
    trigger = load_preset("palm").trigger
    assert isinstance(trigger, ProgressGate) and trigger.behind < 1.0
    policy = Policy(tiny_checkpoint("palm", trigger=replace(trigger, behind=1e-6, ahead=1e-6)), seed=0)
    policy.act(observation())
    later = replace(observation(), stamp_ns=observation().stamp_ns + 2 * 10**8)
    other = replace(later, images={name: 255 - image for name, image in later.images.items()})
    assert any(policy.parted(seen) for seen in (later, other))
