"""What distinguishes PointWorld: the action as the robot's own points, and a plan over what other points will do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_anatomy import rewired, sampled
from test_points import CLIP, ROBOT, ROWS, filmed
from tiny import TINY, tiny_checkpoint, tiny_model, tiny_senses

from wam_core.anatomy import classify
from wam_core.contract import Observation
from wam_core.errors import ContractError
from wam_core.model import sampling
from wam_core.model.groups import Wiring
from wam_core.model.wam import WorldActionModel
from wam_core.planners.trajectory import Mppi
from wam_core.policy import Policy
from wam_core.preset import ACTION
from wam_core.presets import from_dict, load_preset
from wam_core.substrates.robot_flow import HandPoints, RobotFlow, RobotFlowSpec
from wam_core.training.batches import chunk_features

SPEC = RobotFlowSpec("robot_flow", points=64)


def test_point_world_is_given_an_action_as_the_flow_of_the_robots_own_points() -> None:
    """PointWorld: a chunk is what it does to hand and fingers, by URDF and kinematics; nothing of it is learned."""
    model, rng = tiny_model("point_world"), torch.Generator().manual_seed(0)
    observed = {g.content: torch.randn(1, *model.shape_of(n), generator=rng)
                for n, g in model.wiring.groups.items() if g.source == "observed"}  # fmt: skip
    hand = RobotFlow(TINY["robot_flow"], CLIP)  # type: ignore[arg-type]
    observed["robot", "present"] = hand.encode(filmed(0).scenes, ROWS[:, :1])
    context = torch.randn(1, 13, model.spec.trunk.text_dim, generator=rng)

    def flow(chunk: torch.Tensor, by: WorldActionModel = model) -> torch.Tensor:
        given = {ACTION: chunk}
        return by.generate(observed, context, ("future",), 3, torch.Generator().manual_seed(7), given=given)["future"]

    chunk = 0.3 * torch.randn(1, *model.shape_of(ACTION), generator=rng)
    other = chunk.clone()
    other[:, 0] += 1.0
    assert torch.equal(flow(chunk), flow(other)), "no point has been looked at before the first instant, in step 3"
    other[:, 3] += 1.0
    assert not torch.equal(flow(chunk), flow(other))
    wiring = Wiring(load_preset("point_world").groups)
    assert wiring.depends("future", ACTION)
    blind = rewired(load_preset("point_world"), "future", sees=("first_frame", "scene", "hand", "future"))
    assert not Wiring(blind.groups).depends("future", ACTION), (
        "the action reaches the world by the robot's points alone"
    )
    assert not any(wiring.depends(ACTION, g) for g in ("hand_flow", "future", "progress"))
    unbound = WorldActionModel(model.spec).eval()
    with pytest.raises(ContractError, match=r"model\.statistics"):
        flow(chunk, by=unbound)


@pytest.mark.parametrize("seed", range(3))
def test_a_chunk_takes_the_hands_points_where_the_cell_takes_them(seed: int) -> None:
    """What a model was trained on, the flow of recorded poses, and what it was asked about were not the same."""
    film, clip = filmed(seed), replace(CLIP, stride=1)
    recorded = RobotFlow(SPEC, clip).encode(film.scenes, ROWS)[0]
    poses = film.scenes.channel("proprioception").astype(float)
    hand = HandPoints(SPEC, clip)
    here = recorded[:1]
    np.testing.assert_allclose(hand.proprioception(here)[:6], poses[0, :6], atol=1e-5)
    torch.testing.assert_close(hand.enacted(here, poses[1:]), recorded[1:], atol=1e-3, rtol=1e-3)
    checkpoint = tiny_checkpoint("point_world")
    chunk = np.repeat(poses[1:], 4, axis=0)
    features = chunk_features(ROBOT, checkpoint.statistics["action"], chunk, poses[0])
    few = RobotFlow(TINY["robot_flow"], clip).encode(film.scenes, ROWS)  # type: ignore[arg-type]
    told = checkpoint.model.enacted("robot", features[None], few[:, :1])
    torch.testing.assert_close(told, few[:, 1:], atol=2e-3, rtol=2e-3)


def test_point_world_plans_over_rollouts_of_what_points_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """PointWorld: MPPI moves the chunk to where the rolled-out points promise most, and its plan is what is shown."""
    policy = Policy(tiny_checkpoint("point_world"), seed=0)
    planner = policy.checkpoint.preset.planner
    assert isinstance(planner, Mppi) and policy.senses == ("front_depth", "wrist_depth")
    scores: list[torch.Tensor] = []
    generate = sampling.generate

    def watched(*args, **options):  # type: ignore[no-untyped-def]
        made = generate(*args, **options)
        scores.append(made["progress"].mean(dim=(1, 2)) if "progress" in made else torch.zeros(0))
        return made

    monkeypatch.setattr(sampling, "generate", watched)
    images = {c: np.full((128, 128, 3), 90, np.uint8) for c in ("front", "wrist")}
    state = np.array([0.45, 0.0, 0.3, 0.0, 0.0, 0.0, 0.5])
    sensed = tiny_senses(policy.checkpoint.robot, policy.senses)
    policy.act(Observation(0, images, state, "reach the red ball", senses=sensed))
    assert [len(s) for s in scores] == [0, *[planner.candidates] * planner.rounds, 1]
    own, plan = float(scores[1][0]), float(scores[-1][0])
    assert len(set(scores[1].tolist())) == planner.candidates, "every candidate has a rollout of its own"
    assert plan > own, "the plan promises more than the chunk that it began as"
    (shown,) = [f for f in policy.imagine() if f.substrate == "signal"]
    assert float(shown.values.mean()) == pytest.approx(0.5 * (1.0 + plan), abs=1e-5)


def test_a_plan_that_is_optimised_is_what_makes_it_a_rollout() -> None:
    """The place in the survey was that of the file's name: without its planner the preset is another system."""
    preset = load_preset("point_world")
    place, alone = classify(preset), classify(replace(preset, planner=None))
    assert place is not None and (place.backbone, place.coupling, place.deployment) == (
        "Hybrid", "Cond. rollout", "Open / Chunked",
    )  # fmt: skip
    assert alone is not None and alone.deployment == "Chunked" and alone.backbone != "Hybrid"


def test_only_an_action_is_enacted_and_only_in_a_body() -> None:
    """A picture was to be carried out by the arm."""
    raw = load_preset("point_world").to_dict()

    def changed(group: str, **values: object) -> dict[str, object]:
        return {**raw, "groups": {**raw["groups"], group: {**raw["groups"][group], **values}}}

    other = {**raw["groups"]["progress"], "sees": ["scene", "other"]}
    judged = {**raw, "groups": {**changed("hand_flow", copy_of="other")["groups"], "other": other}, "planner": None}  # type: ignore[dict-item]
    for bad, message in (
        (judged, r"hand_flow\.copy_of.*action"),
        (changed("hand_flow", copy_of="scene"), r"hand_flow\.copy_of"),
        ({**raw, "substrates": {**raw["substrates"], "robot": {"kind": "robot_flow", "points": 3}}}, r"points.*8"),
        (changed("hand", substrate="points", expert="points"), r"hand_flow\.substrate.*present"),
    ):
        with pytest.raises(ContractError, match=message):
            from_dict(bad, "mine")
    with pytest.raises(ContractError, match=r"substrate\.kind.*body"):
        TINY["pixels"].enactor(CLIP)
    joints = replace(ROBOT, action=replace(ROBOT.action, space="joint_position"))
    with pytest.raises(ContractError, match=r"action\.space.*ee_pose"):
        SPEC.enactor(replace(CLIP, robot=joints))


def test_what_the_action_is_made_of_knows_nothing_of_the_rollout() -> None:
    """PointWorld: the proposal is made before anything is rolled out."""
    shape = tiny_model("point_world").shape_of("future")
    given = [{"future": torch.full((1, *shape), value)} for value in (-1.0, 1.0)]
    assert torch.equal(*(sampled("point_world", (ACTION,), given=g)[ACTION] for g in given))
