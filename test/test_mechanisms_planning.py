"""What distinguishes systems that search. Taken out of its preset, its test here fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from test_anatomy import sampled
from test_mcts import Walk
from tiny import INSTRUCTIONS, PARTS, tiny_checkpoint, tiny_senses

from wam_core.contract import Observation
from wam_core.data.statistics import column_statistics
from wam_core.dial import Dial
from wam_core.errors import ContractError
from wam_core.model import sampling
from wam_core.model.groups import Wiring
from wam_core.model.runtimes.eager import Eager
from wam_core.planners.mcts import Mcts
from wam_core.planners.tree_search import TreeSearch
from wam_core.policy import Policy
from wam_core.preset import ACTION
from wam_core.presets import from_dict, load_preset
from wam_core.robot.robot_file import load_robot
from wam_core.substrates.substrate import Scenes
from wam_core.training.batches import action_columns
from wam_core.world import model_world, scene_viewer, sub_instructions

TASK = INSTRUCTIONS[0]


@dataclass(frozen=True)
class Told:
    """A world in which each way of saying things one after the other is worth what a table says; its actions are the
    number of the part that it was told."""

    worths: Mapping[tuple[str, ...], float]
    parts: tuple[str, ...]
    done: tuple[str, ...] = ()
    instruction: str = TASK
    asked: list[tuple[tuple[str, ...], str, str]] = field(default_factory=list)

    def sub_instructions(self) -> tuple[str, ...]:
        return self.parts

    def told(self, instruction: str) -> Told:
        return Told(self.worths, self.parts, self.done, instruction, self.asked)

    def after(self, made: Mapping[str, torch.Tensor]) -> Told:
        part = self.parts[round(float(made[ACTION][0, 0, 0]))]
        return Told(self.worths, self.parts, (*self.done, part), self.instruction, self.asked)

    def generate(
        self,
        outputs: tuple[str, ...],
        rng: torch.Generator,
        candidates: int = 0,
        given: Mapping[str, torch.Tensor] | None = None,
    ) -> dict[str, torch.Tensor]:
        many = candidates or 1
        self.asked.append((self.done, self.instruction, outputs[0]))
        if outputs == ("progress",):
            assert given is not None and {ACTION, "future"} <= set(given)
            ends = [(*self.done, self.parts[round(float(a[0, 0]))]) for a in given[ACTION]]
            worth = torch.tensor([self.worths.get(end, 0.0) for end in ends])
            # What is on the way there does not count.
            return {"progress": torch.stack((10.0 - worth, worth), dim=1)[:, :, None]}
        action = torch.full((many, 2, 3), float(self.parts.index(self.instruction)))
        return {ACTION: action, "future": torch.randn(many, 2, 3, generator=rng)}


def searched(world: Told, rng: int = 0, **options: int) -> Mapping[str, torch.Tensor]:
    settings = {"depth": 2, "beam": 2, "videos": 1, "proposals": 4} | options
    planner = TreeSearch("tree_search", future="future", score="progress", **settings)
    return planner.choose(world, ACTION, torch.Generator().manual_seed(rng))


def test_vlp_takes_the_first_step_of_the_branch_that_ends_best() -> None:
    """VLP: each proposal is rolled out from the last generated frame, ends are judged, and branches are kept."""
    worths = {("a",): 0.6, ("b",): 0.5, ("c",): 0.1, ("a", "c"): 0.6, ("b", "a"): 0.9, ("c", "a"): 1.0}
    world = Told(worths, ("a", "b", "c"))
    chosen = searched(world)
    assert bool((chosen[ACTION] == 1.0).all()), "b looks worse than a, and leads further"
    assert {ACTION, "future", "progress"} <= set(chosen) and len(chosen[ACTION]) == 1
    rolled = [(done, told) for done, told, what in world.asked if what == ACTION]
    assert [r for r in rolled if len(r[0]) == 1] == [((s,), p) for s in ("a", "b") for p in "abc"], "c was not kept"
    judged = {told for _, told, what in world.asked if what == "progress"}
    assert judged == {TASK}, "an end is judged by the task as a whole"
    assert bool((searched(Told(worths, ("a", "b", "c")), depth=1)[ACTION] == 0.0).all())
    assert bool((searched(Told(worths, ("a", "b", "c")), beam=1)[ACTION] == 0.0).all())
    assert bool((searched(Told(worths, ("a", "b", "c")), beam=3)[ACTION] == 2.0).all())


def test_vlp_proposes_parts_that_were_recorded_under_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """VLP: what is proposed is known to the model; a task whose parts nobody recorded is refused."""
    policy, told = Policy(tiny_checkpoint("vlp"), seed=0), list[str]()
    tokenize = policy.checkpoint.model.text.tokenize
    monkeypatch.setattr(policy.checkpoint.model.text, "tokenize", lambda text: (told.append(text), tokenize(text))[1])
    images = {c: np.full((128, 128, 3), 90, np.uint8) for c in ("front", "wrist")}
    chunk = policy.act(Observation(0, images, np.zeros(7), TASK))
    assert {*told} == {TASK, *PARTS[0]} and chunk.values.shape == (16, 7)
    assert {f.substrate for f in policy.imagine()} == {"video", "signal"}
    told.clear()
    policy.act(Observation(1, images, np.zeros(7), "push the green block to the blue zone"))
    assert {*told} == {"push the green block to the blue zone", "go behind the green block"}, "in other colours"
    for other in ("push the red ball", "push the red block to the red zone"):
        with pytest.raises(ContractError, match="one of push the blue block to the green zone, reach the red ball"):
            sub_instructions(policy.checkpoint, other)


def test_vlp_executes_a_sub_goal_that_no_action_had_a_say_in() -> None:
    """VLP: the video model plans without actions; a policy that is conditioned on the sub-goal carries it out."""
    wiring = Wiring(load_preset("vlp").groups)
    assert wiring.depends(ACTION, "future") and not wiring.depends("future", ACTION)
    assert wiring.depends("progress", "future") and not wiring.depends("progress", ACTION)
    shape = (1, *sampled("vlp", ("future",))["future"].shape[1:])
    first, second = (sampled("vlp", (ACTION,), given={"future": torch.full(shape, v)})[ACTION] for v in (0.0, 1.0))
    assert not torch.equal(first, second)


def test_a_tree_is_bounded_and_the_same_from_the_same_noise() -> None:
    """A task of twenty parts took a minute to think about; two runs of one seed took different branches."""
    parts = tuple("abcdefghij")
    world = Told({}, parts)
    searched(world, depth=3, beam=2, proposals=3, videos=2)
    assert sum(what == ACTION for *_, what in world.asked) == 3 * (1 + 2 * 2)
    again = [Told({}, parts) for _ in range(3)]
    first, second, other = (searched(w, seed, proposals=3) for w, seed in zip(again, (0, 0, 1), strict=True))
    assert all(torch.equal(first[n], second[n]) for n in first) and again[0].asked == again[1].asked
    assert again[0].asked != again[2].asked and other is not None


def test_a_search_that_the_model_cannot_answer_is_refused() -> None:
    """A tree was grown in words that the model had never been trained on, or from pictures that it never makes."""
    raw = load_preset("vlp").to_dict()
    for field_, value, message in (
        ("future", "first_frame", r"planner\.future.*generated"),
        ("future", "progress", r"planner\.future.*made for"),
        ("score", "progres", "did you mean 'progress'"),
        ("depth", 0, r"planner\.depth"),
        ("videos", 0, r"planner\.videos"),
    ):
        with pytest.raises(ContractError, match=message):
            from_dict({**raw, "planner": {**raw["planner"], field_: value}}, "mine")
    with pytest.raises(ContractError, match=r"training\.sub_instructions.*tree_search"):
        from_dict({**raw, "training": {**raw["training"], "sub_instructions": False}}, "mine")
    past = {"substrate": "pixels", "span": "past", "source": "observed", "expert": "pixels", "sees": ["past"]}
    with pytest.raises(ContractError, match=r"memory.*0, for tree_search"):
        from_dict({**raw, "memory": 2, "groups": {**raw["groups"], "past": past}}, "mine")
    far = {"substrate": "depth", "span": "present", "source": "observed", "expert": "judge", "sees": ["far"]}
    substrates = {**raw["substrates"], "depth": {"kind": "depth", "shrink": 2, "patch": 8}}
    with pytest.raises(ContractError, match=r"groups\.far\.substrate.*pictures alone"):
        from_dict({**raw, "substrates": substrates, "groups": {**raw["groups"], "far": far}}, "mine")


def looked(rng: np.random.Generator, stamp: int, x: float = 0.0, told: str = TASK) -> Observation:
    """Noise before a wall at 0.6 m, the tool at ``x`` m from where it is in all others."""
    robot = load_robot("panda_cell")
    images = {c: rng.integers(0, 255, (128, 128, 3), dtype=np.uint8) for c in ("front", "wrist")}
    senses = tiny_senses(robot, ("front_depth", "wrist_depth"))
    senses = {name: np.full_like(values, 0.6) for name, values in senses.items()}
    pose = np.array([0.5 + x, 0.0, 0.5, 0.0, 0.0, 0.0, 1.0])
    return Observation(stamp * 10**8, images, pose, told, senses=senses)


def test_alp_3d_shows_each_action_what_is_remembered_of_where_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    """3D-ALP: the memory, as the cameras would see it from where an action brings them, conditions its rollout."""
    c = tiny_checkpoint("alp_3d")
    viewer = scene_viewer(c)
    assert viewer is not None
    name, substrate = viewer
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (*c.preset.layout.size, 3), dtype=np.uint8)
    pose = looked(rng, 0).proprioception
    depth = np.full((1, *c.preset.layout.size), 0.6, np.float32)
    scenes = Scenes(image[None], {"proprioception": pose[None], "depth": depth})
    memory = substrate.seen(substrate.nothing, scenes, 0)
    world = model_world(c, Eager(c.model), Dial(3), scenes, TASK, memory)
    shown: list[torch.Tensor] = []
    generate = sampling.generate

    def watched(situation, *args, **options):  # type: ignore[no-untyped-def]
        shown.append(situation.observed.get((name, "future")))
        return generate(situation, *args, **options)

    monkeypatch.setattr(sampling, "generate", watched)
    actions = torch.zeros(2, *c.model.shape_of(ACTION))
    actions[1, :, 0] = 3.0
    first = world.generate(("future",), torch.Generator().manual_seed(0), 2, given={ACTION: actions})["future"]
    ways = world.course(actions)[:, 3::4]
    assert np.abs(ways[1] - ways[0]).max() > 0.01
    expected = torch.stack([substrate.views(memory, way) for way in ways])
    assert torch.equal(shown[-1], expected) and not torch.equal(expected[0], expected[1])
    blind = model_world(c, Eager(c.model), Dial(3), scenes, TASK, substrate.nothing)
    second = blind.generate(("future",), torch.Generator().manual_seed(0), 2, given={ACTION: actions})["future"]
    assert not torch.equal(first, second), "the rollout depends on what is remembered"
    assert len(world.generate((ACTION,), torch.Generator())[ACTION]) == 1 and shown[-1] is None, "the prior does not"


def test_alp_3d_remembers_what_left_the_picture() -> None:
    """3D-ALP: the memory outlasts the picture, from chunk to chunk, and is of this task alone."""

    planner = load_preset("alp_3d").planner
    assert isinstance(planner, Mcts)
    checkpoint = tiny_checkpoint("alp_3d", planner=replace(planner, nodes=2))
    far = np.random.default_rng(0).normal(0.0, 0.2, (64, 16 * 7))
    action = column_statistics(action_columns(checkpoint.preset, checkpoint.robot), far)
    restless = replace(checkpoint, statistics={**checkpoint.statistics, "action": action})

    def dreamt(*before: Observation) -> np.ndarray:
        policy = Policy(restless, seed=0)
        for observation in before:
            policy.act(observation)
        policy.sequence = 99
        policy.act(looked(np.random.default_rng(9), 100))
        return next(f.values for f in policy.imagine() if f.substrate == "video")

    aside = [looked(np.random.default_rng(seed), 10, x=0.25) for seed in (1, 2)]
    assert not np.array_equal(dreamt(aside[0]), dreamt(aside[1])), "seen beside what is seen now"
    assert not np.array_equal(dreamt(aside[0]), dreamt())
    assert np.array_equal(dreamt(looked(np.random.default_rng(1), 10, 0.25, INSTRUCTIONS[1])), dreamt())
    assert np.array_equal(dreamt(looked(np.random.default_rng(1), 200, 0.25)), dreamt()), "what is to come is not known"


def test_alp_3d_takes_the_action_that_its_tree_visited_most() -> None:
    """3D-ALP: Monte-Carlo tree search over actions; the world model is asked about each and judged by what it shows."""
    wiring, planner = Wiring(load_preset("alp_3d").groups), load_preset("alp_3d").planner
    assert planner is not None and planner.kind == "mcts"
    assert wiring.depends("progress", "future") and wiring.depends("future", ACTION)
    assert not wiring.depends(ACTION, "future") and not wiring.depends(ACTION, "views")
    world = Walk({"hill": 1.0, "mountain": 0.0})
    better = 0
    for seed in range(10):
        chosen = planner.choose(world, ACTION, torch.Generator().manual_seed(seed))
        alone = world.generate((ACTION,), torch.Generator().manual_seed(seed))
        better += abs(float(chosen[ACTION].mean()) - 0.5) <= abs(float(alone[ACTION].mean()) - 0.5)
    assert better >= 8, "nearer to the hill than the first that comes to mind"
