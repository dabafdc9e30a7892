"""A benchmark from its expert's demonstrations to success rates, on the simulator of :mod:`fake_benchmark`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from test_benchmarks import BODY, CAMERAS, fake
from tiny import tiny_preset

from wam_core.benchmarks.contestants import made_for, of_checkpoint
from wam_core.benchmarks.demonstrations import FIRST_SEED, HOLD_STEPS, Wanted, load_demonstrations, make_demonstrations
from wam_core.benchmarks.episodes import Trial, run_expert, run_policy
from wam_core.benchmarks.study import EXPERT, Study, run_study
from wam_core.benchmarks.tables import markdown
from wam_core.contract import ActionChunk, Observation
from wam_core.errors import ContractError
from wam_core.evaluation.report.budget import Budget
from wam_core.policy import load_policy
from wam_core.presets import build_substrates, load_preset, model_spec
from wam_core.robot.robot_file import load_robot
from wam_core.training.checkpoint import load_checkpoint

WANTED = Wanted(tasks=("go", "go-again"), count=3, limit=60, noise=(0.3, 0.0, 0.0, 0.0))


class Counting:
    """Chunks whose k-th step is k + 1 tenths, of which three are carried out."""

    cameras: Sequence[str] = CAMERAS
    senses: Sequence[str] = ()
    replan_steps = 3

    def __init__(self) -> None:
        self.asked: list[Observation] = []

    def act(self, observation: Observation) -> ActionChunk:
        self.asked.append(observation)
        values = np.zeros((8, 4))
        values[:, 0] = 0.1 * np.arange(1, 9)
        stamp = observation.stamp_ns
        return ActionChunk(stamp, stamp, BODY.step_ns, BODY.action.names, BODY.action.space, values, len(self.asked))


def test_of_each_chunk_as_many_steps_are_carried_out_as_the_policy_says_and_in_order() -> None:
    """One step too late, and every action answers what is no longer seen."""
    policy = Counting()
    with fake() as simulator:
        episode = run_policy(simulator, policy, Trial("go", 0, 9))
    assert (episode.success, episode.steps) == (False, 9)
    moved = np.diff([seen.proprioception[0] for seen in policy.asked])
    np.testing.assert_allclose(moved, 0.05 * (0.1 + 0.2 + 0.3))
    assert [seen.stamp_ns for seen in policy.asked] == [k * 3 * BODY.step_ns for k in range(3)]
    assert policy.asked[0].instruction == "go to the goal"


def test_an_observation_may_ask_for_a_new_chunk_before_the_old_one_is_over() -> None:
    """A preset with a trigger that nobody asks is another preset."""
    policy = Counting()
    with fake() as simulator:
        run_policy(simulator, policy, Trial("go", 0, 9), lambda observation: observation.stamp_ns == BODY.step_ns)
    assert [seen.stamp_ns // BODY.step_ns for seen in policy.asked] == [0, 1, 4, 7]


def test_demonstrations_hold_what_the_expert_did_where_the_noise_had_brought_it(tmp_path: Path) -> None:
    """Recorded noise is imitated; and an expert that is never disturbed shows no way back."""
    with fake() as simulator:
        make_demonstrations(simulator, WANTED, tmp_path, lambda line: None)
        made = sorted(tmp_path.rglob("*.npz"))
        stamps = [file.stat().st_mtime_ns for file in made]
        make_demonstrations(simulator, WANTED, tmp_path, lambda line: None)
        with pytest.raises(ContractError, match="an expert that does at least half"):
            make_demonstrations(simulator, replace(WANTED, limit=3, count=4), tmp_path, lambda line: None)
        clean, _ = run_expert(simulator, Trial("go", FIRST_SEED, 60))
    assert clean.success
    assert [file.stat().st_mtime_ns for file in made] == stamps and len(made) == 6
    layout = made_for(tiny_preset("fast_wam"), BODY, 0).layout
    frames = load_demonstrations(tmp_path, WANTED, layout, BODY)
    own = np.clip(4 * (0.5 - frames.proprioception[:, 0]), -1, 1)
    np.testing.assert_allclose(frames.actions[:, 0], own)
    executed = np.diff(frames.proprioception[:, 0])[np.diff(frames.stretch) == 0] / 0.05
    off = np.abs(executed - frames.actions[:-1, 0][np.diff(frames.stretch) == 0]) > 1e-9
    assert 0.3 < off.mean() < 1.0
    for begin, end in frames.bounds:
        near = np.abs(frames.proprioception[begin:end, 0] - 0.5) < 0.1
        assert end - begin - np.argmax(near) >= HOLD_STEPS
    assert frames.images.shape[1:] == (*layout.size, 3)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, str, list[dict[str, object]], list[str]]:
    """A study of the expert and of a tiny preset, and what it said."""
    folder = tmp_path_factory.mktemp("benchmark")
    file = folder / "cloning.yaml"
    raw = {**tiny_preset("behaviour_cloning").to_dict(), "name": "cloning"}
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": raw}}))
    budget = Budget(updates=4, batch=4, vae_updates=2, seed=0)
    study = Study(budget, WANTED, episodes=2, limit=40, replan_steps=2, out=folder, device="cpu", runtime="eager")
    said: list[str] = []
    with fake() as simulator:
        rows = run_study(study, simulator, [EXPERT, str(file)], said.append)
    return study, str(file), rows, said


def test_one_study_demonstrates_trains_measures_and_goes_on_where_it_was(studied) -> None:
    """Hours of training were done again because a row was not recognised, or not done though the question was new."""
    study, model, rows, said = studied
    expert, cloning = rows
    assert [expert["seeing"][task]["succeeded"] for task in WANTED.tasks] == [2, 2]
    assert set(cloning["blind"]) == set(WANTED.tasks) == set(cloning["seeing"])
    assert cloning["training"]["demonstrations"] == 5
    assert cloning["question"]["preset"]["replan_steps"] == 2
    assert any("4 updates" in line for line in said)
    again: list[str] = []
    with fake() as simulator:
        assert run_study(study, simulator, [EXPERT, model], again.append) == rows
        assert not again
        assert study.row(simulator, EXPERT)
        assert replace(study, limit=41).row(simulator, EXPERT) is None
        assert replace(study, budget=replace(study.budget, updates=5)).row(simulator, model) is None
        with pytest.raises(ContractError, match="a folder of a checkpoint or of published weights"):
            run_study(study, simulator, ["fast_wma"], again.append)
    assert len(list(study.demonstrations(BODY).rglob("*.npz"))) == 6
    assert not replace(study, wanted=replace(WANTED, noise=(0.0,) * 4)).demonstrations(BODY).exists()
    table = markdown(rows)
    assert "| task | `expert` |" in table and "| all | 4/4 [" in table and "| `cloning`, blind |" in table


def test_a_checkpoint_of_a_benchmark_is_measured_there_and_refused_by_every_arm(studied) -> None:
    """Its actions are another machine's numbers: an arm would do something with them."""
    study, _, rows, _ = studied
    folder = study.out / "checkpoints" / "cloning"
    checkpoint = load_checkpoint(folder)
    assert checkpoint.robot == BODY and not (folder / "robot.yaml").exists()
    with pytest.raises(ContractError, match="a robot contract, which a benchmark's embodiment is not"):
        load_policy(str(folder), load_robot("panda_cell"))
    with pytest.raises(ContractError, match=r"checkpoint\.action_hz: got 80"):
        of_checkpoint(checkpoint, replace(BODY, action_hz=40.0), "eager")
    with fake() as simulator:
        again = run_study(replace(study, replan_steps=0), simulator, [str(folder)], lambda line: None)
        assert study.row(simulator, str(folder))
        os.utime(folder / "model.safetensors", (0, 0))
        assert study.row(simulator, str(folder)) is None
    assert again[0]["seeing"] == rows[1]["seeing"] and again[0]["training"] is None


@pytest.mark.parametrize(
    ("name", "says"), [("avdc", "a sense of metaworld"), ("point_world", "sense of metaworld|contract")]
)
def test_presets_that_need_what_a_benchmark_does_not_have_are_refused(name: str, says: str) -> None:
    """Geometry that nobody stated would have been zeros."""
    preset = made_for(load_preset(name), BODY, 0)
    assert preset.layout.cameras == CAMERAS
    with pytest.raises(ContractError, match=says):
        model_spec(preset, BODY, ("go",))
        build_substrates(preset, BODY)
