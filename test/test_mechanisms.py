"""What distinguishes each system from the others: taken out of its preset, its test here fails."""

from dataclasses import replace

import pytest
import torch
from test_anatomy import sampled
from tiny import tiny_frames, tiny_model, tiny_preset

from wam_core.model.generators.bins import BINS, HIDDEN, from_bins
from wam_core.model.groups import Wiring
from wam_core.model.runtimes.eager import Eager
from wam_core.model.wam import WorldActionModel
from wam_core.preset import ACTION
from wam_core.presets import build_substrates, load_preset, model_spec
from wam_core.training.batches import make_batches, statistics_of, vocabulary_of
from wam_core.training.trainer import start, train_step

Levels = dict[str, list[float]]


def future_of(name: str, value: float, group: str = "future") -> dict[str, torch.Tensor]:
    return {group: torch.full((1, *tiny_model(name).shape_of(group)), value)}


def passes(name: str, monkeypatch: pytest.MonkeyPatch, outputs: tuple[str, ...] = (ACTION,)) -> Levels:
    """Noise levels at which each group went through the trunk."""
    seen: Levels = {}
    carry = Eager.carry

    def counted(self, features, levels, text, cache, kept=()):  # type: ignore[no-untyped-def]
        for group in features:
            seen.setdefault(group, []).append(round(levels[group], 4))
        return carry(self, features, levels, text, cache, kept)

    monkeypatch.setattr(Eager, "carry", counted)
    sampled(name, outputs)
    return seen


def test_unipi_reads_the_actions_off_a_finished_plan_and_carries_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """UniPi: inverse dynamics on the generated video, in one shot, and no new plan before the old one is over."""
    levels = passes("unipi", monkeypatch)
    assert levels["plan"] == [0.0] and len(levels[ACTION]) == 1 and len(levels["future"]) == 4
    plans = [sampled("unipi", (ACTION,), given=future_of("unipi", value))[ACTION] for value in (-1.0, 1.0)]
    assert not torch.equal(*plans)
    preset = load_preset("unipi")
    assert preset.replan_steps == preset.horizon and preset.substrates["pixels"].kind == "pixels"


def test_pad_denoises_picture_and_action_at_one_level_by_the_noise_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """PAD: one diffusion transformer, one time step for both, every control step."""
    levels = passes("pad", monkeypatch)
    assert levels["future"] == levels[ACTION] and len(levels[ACTION]) == 4
    preset = load_preset("pad")
    assert {g.generator for g in preset.groups if g.generator} == {"score_diffusion"} and preset.replan_steps == 1
    assert len({g.expert for g in preset.groups}) == 1


def test_ud_vla_uncovers_picture_and_action_tokens_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """UD-VLA: discrete tokens of both kinds, hidden in equal shares; the picture never waits for the action."""
    hidden: list[tuple[float, float]] = []
    carry = Eager.carry

    def watched(self, features, levels, text, cache, kept=()):  # type: ignore[no-untyped-def]
        if {"future", ACTION} <= set(features):
            pair = [float((features[n] == HIDDEN).all(dim=-1).float().mean()) for n in ("future", ACTION)]
            hidden.append((pair[0], pair[1]))
        return carry(self, features, levels, text, cache, kept)

    monkeypatch.setattr(Eager, "carry", watched)
    made = sampled("ud_vla", (ACTION, "future"))
    assert len(hidden) == 4 and hidden[0] == (1.0, 1.0)
    assert all(abs(a - b) < 0.07 and b < 1.0 for a, b in hidden[1:])
    values = from_bins(torch.arange(BINS)).float()
    assert all(bool(torch.isin(made[n], values).all()) for n in made)
    futures = [sampled("ud_vla", ("future",), given={ACTION: torch.full((1, 16, 7), v)}) for v in (0.0, 1.0)]
    assert torch.equal(futures[0]["future"], futures[1]["future"])


def test_vpp_passes_the_video_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """VPP: the features of one forward pass on pure noise, at every layer, for every control step."""
    levels = passes("vpp", monkeypatch)
    assert levels["future_tap"] == [1.0] and "future" not in levels
    assert load_preset("vpp").replan_steps == 1


def test_flare_aligns_tokens_that_the_action_reads_with_what_a_frozen_encoder_sees() -> None:
    """FLARE: the alignment shapes the action's own expert; the teacher does not move, and no future is generated."""
    preset, frames = tiny_preset("flare"), tiny_frames()
    substrates = build_substrates(preset, frames.robot)
    torch.manual_seed(0)
    model = WorldActionModel(model_spec(preset, frames.robot, vocabulary_of(frames)))
    data = make_batches(preset, frames, substrates, model.text, statistics_of(preset, frames))
    teacher = {k: v.clone() for k, v in substrates["teacher"].state_dict().items()}
    silent = {ACTION: 0.0, "future": 1.0}
    for group in model.wiring.groups.values():
        object.__setattr__(group, "loss_weight", silent.get(group.name, 1.0))
    before = model.trunk.expert("action").block(0).ffn[0].weight.detach().clone()  # type: ignore[union-attr]
    settings = replace(preset.training, batch=8, warmup=1, weight_decay=0.0)
    train_step(start(model, settings), settings, data, seed=0)
    assert not torch.equal(before, model.trunk.expert("action").block(0).ffn[0].weight)  # type: ignore[union-attr, arg-type]
    assert all(torch.equal(v, substrates["teacher"].state_dict()[k]) for k, v in teacher.items())


def test_flare_never_generates_the_future_for_an_action(monkeypatch: pytest.MonkeyPatch) -> None:
    """FLARE: the tokens are read where they are learned, before they say anything."""
    levels = passes("flare", monkeypatch)
    assert levels["future_tokens"] == [1.0] and "future" not in levels


def test_aim_shows_the_action_the_future_through_the_map_alone() -> None:
    """AIM: the video shapes the map and the map the action; without the map, nothing of the video reaches it."""
    maps = [sampled("aim", (ACTION,), given=future_of("aim", v, "value_map"))[ACTION] for v in (-1.0, 1.0)]
    assert not torch.equal(*maps)
    drawn = [sampled("aim", ("value_map",), given=future_of("aim", v))["value_map"] for v in (-1.0, 1.0)]
    assert not torch.equal(*drawn)
    groups = [replace(g, sees=tuple(s for s in g.sees if s != "value_map")) if g.name == ACTION else g
              for g in load_preset("aim").groups]  # fmt: skip
    assert Wiring(load_preset("aim").groups).depends(ACTION, "future")
    assert not Wiring(groups).depends(ACTION, "future")


def test_im2flow2act_needs_no_picture_of_the_future() -> None:
    """Im2Flow2Act: flow is generated from picture and task, and the action follows the flow."""
    preset = load_preset("im2flow2act")
    assert [g.substrate for g in preset.futures()] == ["flow"]
    flows = [sampled("im2flow2act", (ACTION,), given=future_of("im2flow2act", v))[ACTION] for v in (-1.0, 1.0)]
    assert not torch.equal(*flows)


def test_worldvla_hides_the_steps_of_a_chunk_from_each_other() -> None:
    """WorldVLA: an error in an early action must not spread to the later ones."""
    model = tiny_model("worldvla")
    features = torch.randn(1, 16, 7, requires_grad=True)
    heads = action_heads(model, features)
    for step in (0, 7, 15):
        gradient = torch.autograd.grad(heads[0, step].square().sum(), features, retain_graph=True)[0]
        assert (gradient[0].abs().sum(dim=-1) > 0).nonzero().flatten().tolist() == [step]


def action_heads(model: WorldActionModel, features: torch.Tensor) -> torch.Tensor:
    context = torch.randn(1, 13, model.spec.trunk.text_dim)
    first = torch.randn(1, *model.shape_of("first_frame"))
    still = torch.zeros(1)
    shown = {"first_frame": first, ACTION: features}
    return model.run(shown, dict.fromkeys(shown, still), model.text_cache(shown, context), {})[0][ACTION]


def test_worldvla_makes_each_picture_from_those_before_it_and_from_the_chunk() -> None:
    """WorldVLA: next-token prediction; a frame that is changed changes those after it and none before."""
    model = tiny_model("worldvla")
    frames, tokens, features = 4, *model.shape_of("future")
    context, still = torch.randn(1, 13, model.spec.trunk.text_dim), torch.zeros(1)
    seen = {n: torch.randn(1, *model.shape_of(n)) for n in ("first_frame", "action_tokens")}
    future = torch.randn(1, tokens, features, requires_grad=True)
    shown = {**seen, "future": future}
    head = model.run(shown, dict.fromkeys(shown, still), model.text_cache(shown, context), {})[0]["future"]
    by_frame = head.unflatten(1, (frames, -1))
    for k in range(frames):
        gradient = torch.autograd.grad(by_frame[0, k].square().sum(), future, retain_graph=True)[0]
        touched = gradient.unflatten(1, (frames, -1)).abs().sum(dim=(0, 2, 3)) > 0
        assert touched.tolist() == [j < k for j in range(frames)]
    chunks = [sampled("worldvla", ("future",), given={ACTION: torch.full((1, 16, 7), v)}) for v in (-1.0, 1.0)]
    assert not torch.equal(chunks[0]["future"], chunks[1]["future"])
    values = from_bins(torch.arange(BINS)).float()
    assert bool(torch.isin(chunks[0]["future"], values).all()), "a token that was never decided"


def test_motus_trains_the_action_expert_on_flow_that_needs_no_action() -> None:
    """Motus: latent actions are flow, so recordings without actions move the action expert; none reaches the chunk's
    input."""
    model = tiny_model("motus")
    wiring = model.wiring
    assert wiring.groups["latent_action"].expert == wiring.groups[ACTION].expert
    assert ACTION not in wiring.needed(["latent_action"])
    shown = {n: torch.randn(1, *model.shape_of(n)) for n in ("scene", "latent_action")}
    context, still = torch.randn(1, 13, model.spec.trunk.text_dim), torch.full((1,), 0.5)
    head = model.run(shown, dict.fromkeys(shown, still), model.text_cache(shown, context), {})[0]["latent_action"]
    head.square().sum().backward()
    moved = model.trunk.expert("action").block(0).ffn[0].weight.grad  # type: ignore[union-attr]
    assert moved is not None and float(moved.abs().max()) > 0.0
    assert model.trunk.expert("video").block(0).ffn[0].weight.grad is None  # type: ignore[union-attr]


def test_motus_is_policy_world_model_and_inverse_dynamics_by_what_is_given() -> None:
    """Motus: a noise level for each modality, so that what is given conditions what is not."""
    made = [g for g in load_preset("motus").groups if g.source == "generated"]
    assert len({g.schedule or g.name for g in made}) == 3 and len({g.expert for g in load_preset("motus").groups}) == 3
    chunks = [sampled("motus", (ACTION,), given=future_of("motus", v))[ACTION] for v in (-1.0, 1.0)]
    videos = [sampled("motus", ("future",), given=future_of("motus", v, ACTION))["future"] for v in (-1.0, 1.0)]
    assert not torch.equal(*chunks) and not torch.equal(*videos)


def test_vidar_reads_the_action_through_a_mask_that_it_learns_without_labels() -> None:
    """Vidar: where the mask is shut nothing of the plan reaches the action, and the action's error alone shapes it."""
    model = tiny_model("vidar")
    assert set(model.masks) == {"plan"}
    plans = [future_of("vidar", value) for value in (-1.0, 1.0)]

    def chunks() -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(7)
        first = {("pixels", "present"): torch.ones(1, *model.shape_of("first_frame"))}
        context = torch.ones(1, 13, model.spec.trunk.text_dim)
        return [model.generate(first, context, (ACTION,), 4, generator, given=plan)[ACTION] for plan in plans]

    open_ones = chunks()
    gate = model.masks["plan"]
    with torch.no_grad():
        gate.weight.zero_(), gate.bias.fill_(-50.0)  # type: ignore[union-attr, operator]
    shut = chunks()
    assert not torch.equal(*open_ones) and torch.allclose(*shut, atol=1e-6)
    preset, frames = tiny_preset("vidar"), tiny_frames()
    torch.manual_seed(0)
    model = WorldActionModel(model_spec(preset, frames.robot, vocabulary_of(frames)))
    substrates = build_substrates(preset, frames.robot)
    data = make_batches(preset, frames, substrates, model.text, statistics_of(preset, frames))
    features, words, proprioception = data.pick(torch.arange(8))
    losses = model.losses(features, model.context(words, proprioception), torch.Generator().manual_seed(0))
    losses[ACTION].backward()
    assert float(model.masks["plan"].weight.grad.abs().max()) > 0.0 and 0.0 < float(losses["plan"].detach()) < 1.0  # type: ignore[union-attr]


def test_dust_gives_vision_more_steps_and_lets_the_action_be_finished_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """DUST: two streams that see each other, each with its own noise; vision is denoised in smaller steps."""
    alone = passes("dust", monkeypatch)
    assert len(alone[ACTION]) == 4 and alone[ACTION] != alone["future"]
    monkeypatch.undo()
    both = passes("dust", monkeypatch, (ACTION, "future"))
    assert len(both["future"]) == 8 and both["future"][0] == 1.0
    wiring = Wiring(load_preset("dust").groups)
    assert wiring.depends(ACTION, "future") and wiring.depends("future", ACTION)
    assert {s.kind for s in load_preset("dust").substrates.values()} == {"teacher_features"}


def test_gr1_reads_picture_and_action_off_what_was_seen_by_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """GR-1: one pass, no noise; the chunk's queries come before the picture's, at every control step."""
    levels = passes("gr1", monkeypatch, (ACTION, "future"))
    assert levels[ACTION] == [0.0] and levels["future"] == [0.0]
    wiring = Wiring(load_preset("gr1").groups)
    assert wiring.depends("future", ACTION) and not wiring.depends(ACTION, "future")
    assert load_preset("gr1").replan_steps == 1 and len({g.expert for g in load_preset("gr1").groups}) == 1


def test_dreamzero_denoises_both_with_one_time_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """DreamZero: one time step is shared by video and action, which see each other."""
    levels = passes("dreamzero", monkeypatch, (ACTION, "future"))
    assert levels["future"] == levels[ACTION] and len(levels[ACTION]) == 4
    made = [g for g in load_preset("dreamzero").groups if g.generator]
    assert {g.schedule for g in made} == {"one"} and load_preset("dreamzero").replan_steps == 1


def test_lingbot_va_learns_to_act_on_futures_that_are_not_clean() -> None:
    """LingBot-VA: the history and the plan that the action learns from are noisy, as those will be that it acts on."""
    model, rng = tiny_model("lingbot_va"), torch.Generator().manual_seed(0)
    shapes = {g.content: model.shape_of(n) for n, g in model.wiring.groups.items()}
    clean = {content: torch.randn(16, *shape, generator=rng) for content, shape in shapes.items()}
    seen: dict[str, torch.Tensor] = {}
    run = model.run

    def watched(features, sigmas, text, cache):  # type: ignore[no-untyped-def]
        seen.update({n: x for n, x in features.items() if n == "plan"})
        return run(features, sigmas, text, cache)

    model.run = watched  # type: ignore[method-assign]
    model.losses(clean, torch.randn(16, 13, model.spec.trunk.text_dim, generator=rng), rng)
    noisy = (seen["plan"] - clean["video", "future"]).abs().amax(dim=(1, 2)) > 1e-6
    assert 2 < int(noisy.sum()) < 14
