"""What distinguishes systems by how their model is asked: planners, triggers, memory. Taken out of its preset, its test
here fails."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from test_anatomy import sampled
from tiny import tiny_checkpoint

from wam_core.contract import Observation
from wam_core.errors import ContractError
from wam_core.model import sampling
from wam_core.model.groups import Wiring
from wam_core.policy import Policy
from wam_core.preset import ACTION
from wam_core.presets import from_dict, load_preset, preset_names


class Dreams:
    """A model whose candidates and scores are given, for planners."""

    def __init__(self, when: float, scores: list[float]) -> None:
        self.when, self.scores, self.asked = when, scores, []

    def generate(
        self, outputs: tuple[str, ...], rng: torch.Generator, candidates: int = 0, given: object = None
    ) -> dict[str, torch.Tensor]:
        candidates = candidates or 1
        self.asked.append((outputs, candidates))
        made = {ACTION: torch.arange(float(candidates))[:, None, None].expand(-1, 2, 3)}
        made["critical"] = torch.full((candidates, 4, 1), self.when)
        made["progress"] = torch.tensor((self.scores * candidates)[:candidates])[:, None, None]
        return {name: made[name] for name in outputs}


def test_dreamavoid_dreams_only_where_it_is_critical_and_takes_the_best_dream() -> None:
    """DreamAvoid: a detector decides whether to dream; the candidate of highest predicted progress is executed."""
    planner = load_preset("dreamavoid").planner
    assert planner is not None
    calm, tense = Dreams(-0.5, [0.0]), Dreams(0.5, [0.1, 0.9, -0.3, 0.2])
    planner.choose(calm, ACTION, torch.Generator())
    assert [candidates for _, candidates in calm.asked] == [1, 1]
    chosen = planner.choose(tense, ACTION, torch.Generator())
    assert tense.asked[-1] == ((ACTION, "progress"), 4) and bool((chosen[ACTION] == 1.0).all())
    assert len(chosen[ACTION]) == 1 and float(chosen["progress"]) == pytest.approx(0.9)


def test_dreamavoid_judges_a_chunk_by_the_dream_of_that_chunk_alone() -> None:
    """DreamAvoid: the world model rolls out the action that it is given; the chunk is made without any dream."""
    wiring = Wiring(load_preset("dreamavoid").groups)
    assert wiring.depends("progress", "future") and wiring.depends("future", ACTION)
    assert not wiring.depends(ACTION, "future") and not wiring.depends("critical", ACTION)
    scores = [sampled("dreamavoid", ("progress",), given={ACTION: torch.full((1, 16, 7), v)}) for v in (-1.0, 1.0)]
    assert not torch.equal(scores[0]["progress"], scores[1]["progress"])


def test_cosmos_policy_makes_chunk_picture_and_value_frames_of_one_model_and_takes_the_most_valuable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CosmosPolicy: no expert of its own for action or value, one noise level for all, and best of N by the value."""
    preset = load_preset("cosmos_policy")
    made = [g for g in preset.groups if g.source == "generated"]
    assert {g.expert for g in preset.groups} == {"video"} and {g.schedule for g in made} == {"one"}
    policy = Policy(tiny_checkpoint("cosmos_policy"), seed=0)
    images = {c: np.full((128, 128, 3), 90, np.uint8) for c in ("front", "wrist")}
    values: list[torch.Tensor] = []
    generate = sampling.generate

    def watched(*args, **options):  # type: ignore[no-untyped-def]
        made = generate(*args, **options)
        values.append(made["value"].mean(dim=(1, 2)))
        return made

    monkeypatch.setattr(sampling, "generate", watched)
    policy.act(Observation(0, images, np.zeros(7), "reach the red ball"))
    assert len(values) == 1 and len(values[0]) == 4 and len(set(values[0].tolist())) == 4
    shown = {f.substrate: f for f in policy.imagine()}
    best = 0.5 * (1.0 + values[0].max())
    assert shown["signal"].values.mean() == pytest.approx(float(best.clamp(0, 1)), abs=0.05)


def test_a_planner_without_a_score_is_refused() -> None:
    """A planner chose among chunks by something that knew nothing of them."""
    raw = load_preset("dreamavoid").to_dict()
    for field, value, message in (
        ("score", "critical", r"planner\.score"),
        ("score", "first_frame", r"planner\.score"),
        ("score", "progres", "did you mean 'progress'"),
        ("when", "progress", r"planner\.when"),
        ("candidates", 1, r"planner\.candidates"),
        ("kind", "best_of_m", "best_of_n"),
    ):
        with pytest.raises(ContractError, match=message):
            from_dict({**raw, "planner": {**raw["planner"], field: value}}, "mine")


def test_ffdc_wam_asks_for_a_new_chunk_when_its_future_does_not_come_true() -> None:
    """FFDC-WAM: the cached future is held against what is seen, at its instants and at no others."""
    policy = Policy(tiny_checkpoint("ffdc_wam"), seed=0)
    images = {c: np.full((128, 128, 3), 90, np.uint8) for c in ("front", "wrist")}
    begin = Observation(0, images, np.zeros(7), "reach the red ball")
    assert not policy.parted(begin)
    policy.act(begin)
    forecast = next(f for f in policy.imagine() if f.substrate == "video")
    regions = forecast.regions.items()
    for k, frame in enumerate(forecast.values):
        as_imagined = {
            name: cv2.resize(frame[t : t + h, left : left + w], (128, 128), interpolation=cv2.INTER_NEAREST)
            for name, (t, left, h, w) in regions
        }
        stamp_ns = (k + 1) * forecast.step_ns
        assert not policy.parted(replace(begin, stamp_ns=stamp_ns, images=as_imagined))
        other = {name: 255 - image for name, image in as_imagined.items()}
        assert policy.parted(replace(begin, stamp_ns=stamp_ns, images=other))
        assert not policy.parted(replace(begin, stamp_ns=stamp_ns - forecast.step_ns // 2, images=other))
    raw = load_preset("fast_wam").to_dict()
    with pytest.raises(ContractError, match=r"trigger.*in pictures that action is made with"):
        from_dict({**raw, "trigger": load_preset("ffdc_wam").to_dict()["trigger"]}, "mine")


@pytest.mark.parametrize("name", [n for n in preset_names() if load_preset(n).memory])
def test_what_was_imagined_gives_way_to_what_was_measured(name: str) -> None:
    """DreamZero, LingBot-VA, GR-1: the next call sees what happened since, as far back as its memory reaches and no
    further, and nothing of another task."""
    preset, told = load_preset(name), "reach the red ball"

    def seen(stamp: int, value: int, instruction: str = told) -> Observation:
        images = {c: np.full((128, 128, 3), value, np.uint8) for c in ("front", "wrist")}
        return Observation(stamp * 10**8, images, np.zeros(7), instruction)

    def last_chunk(*before: Observation) -> np.ndarray:
        policy = Policy(tiny_checkpoint(name), seed=0)
        for observation in before:
            policy.act(observation)
        policy.sequence = 99
        return policy.act(seen(100, 90)).values

    calm = [seen(k, 90) for k in range(1, preset.memory + 1)]
    assert np.array_equal(last_chunk(), last_chunk(*calm)), "the first observation stands for those before it"
    for k in range(preset.memory):
        changed = [*calm[:k], seen(k + 1, 200), *calm[k + 1 :]]
        assert not np.array_equal(last_chunk(*changed), last_chunk(*calm)), f"observation {k} is forgotten"
    assert np.array_equal(last_chunk(seen(0, 200), *calm), last_chunk(*calm)), "cost and reach are bounded"
    other = seen(1, 200, "push the blue block to the green zone")
    assert np.array_equal(last_chunk(other), last_chunk()), "another task's pictures"
    assert np.array_equal(last_chunk(seen(200, 200)), last_chunk()), "pictures of the future"
