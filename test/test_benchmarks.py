"""Benchmarks behind one protocol: a server in another process, whatever may be wrong with it, and Meta-World itself."""

import sys
from pathlib import Path

import numpy as np
import pytest

from wam_core.benchmarks.simulator import Simulator
from wam_core.benchmarks.table import BENCHMARKS, ENVIRONMENTS, FOLDER, start
from wam_core.errors import ContractError
from wam_core.robot.embodiment import load_embodiment

FAKE = Path(__file__).parent / "fake_benchmark.py"
BODY = load_embodiment("metaworld")
CAMERAS = ("corner", "gripper")


def fake(wrong: str = "") -> Simulator:
    """A server process of :mod:`fake_benchmark`, with the embodiment of Meta-World."""
    return Simulator("fake", (sys.executable, str(FAKE), wrong), FOLDER, BODY)


def test_what_a_simulator_shows_depends_on_the_seed_and_the_actions_alone() -> None:
    """Simulators print to stdout while they work: a line among the answers shifted every later one."""
    shown = []
    with fake() as simulator:
        for seed in (1, 2, 1):
            assert simulator.reset("go", seed) == "go to the goal"
            before = simulator.observe(CAMERAS)
            outcome = simulator.step(np.array([1.0, 0.0, 0.0, 0.0]))
            after = simulator.observe(CAMERAS)
            assert not outcome.success and not outcome.over
            assert after.state[0] == pytest.approx(before.state[0] + 0.05)
            assert after.images["corner"].shape == (64, 64, 3)
            shown.append((before, after))
    for one, again in zip(shown[0], shown[2], strict=True):
        np.testing.assert_array_equal(one.images["gripper"], again.images["gripper"])
        np.testing.assert_array_equal(one.state, again.state)
    assert shown[0][0].state[0] != shown[1][0].state[0]


def test_the_expert_of_a_benchmark_finishes_its_task() -> None:
    """Success is the benchmark's own word, not ours."""
    with fake() as simulator:
        simulator.reset("go", 0)
        outcomes = [simulator.step(simulator.expert()) for _ in range(40)]
    assert outcomes[-1].success and not outcomes[0].success


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        ("does not load", "benchmark.fake.start", "No module named 'simulator'"),
        ("dies", "benchmark.fake.step", "exit code 3; .*out of memory"),
        ("fails", "benchmark.fake.step", "the scene exploded"),
        ("talks", "benchmark.fake.step", "a message of the protocol"),
        ("small picture", "images.corner", r"uint8 \(64, 64, 3\)"),
        ("nan", "benchmark.fake.observe.state[1]", "a finite number"),
        ("no expert", "benchmark.fake.expert", "scripted expert"),
    ],
)
def test_what_is_wrong_with_a_server_is_said_and_nothing_is_made_up(wrong: str, field: str, says: str) -> None:
    """A server that died left the evaluation waiting for ever, or went on with the last picture."""

    def use() -> None:
        with fake(wrong) as simulator:
            simulator.reset("go", 0)
            simulator.observe(CAMERAS)
            simulator.step(simulator.expert())

    with pytest.raises(ContractError, match=says) as caught:
        use()
    assert caught.value.field == field


def test_actions_that_do_not_fit_never_reach_a_simulator() -> None:
    """A NaN in a simulator ends in a scene that is nowhere, and an episode that counts."""
    with fake() as simulator:
        simulator.reset("go", 0)
        before = simulator.observe(CAMERAS)
        for action in (np.zeros(3), np.array([np.nan, 0.0, 0.0, 0.0])):
            with pytest.raises(ContractError, match="benchmark.fake.step.action"):
                simulator.step(action)
        with pytest.raises(ContractError, match="did you mean 'go-again'"):
            simulator.reset("go-agai", 0)
        np.testing.assert_array_equal(simulator.observe(CAMERAS).state, before.state)


def test_a_benchmark_that_is_not_installed_says_what_to_run(tmp_path: Path) -> None:
    """An ImportError out of another environment tells nobody how to get one."""
    with pytest.raises(ContractError, match=r"scripts/metaworld\.sh, or name one"):
        start("metaworld", tmp_path / "bin" / "python")
    with pytest.raises(ContractError, match="No module named 'metaworld'"):
        start("metaworld", Path(sys.executable))
    with pytest.raises(ContractError, match="did you mean 'metaworld'"):
        start("metawrold")


def test_every_benchmark_has_a_server_and_an_embodiment() -> None:
    for name, benchmark in BENCHMARKS.items():
        assert load_embodiment(name).name == name
        assert (FOLDER / f"{benchmark.module.replace('.', '/')}.py").is_file()


needs_metaworld = pytest.mark.skipif(
    not (ENVIRONMENTS / "metaworld" / "bin" / "python").is_file(),
    reason="Meta-World is not installed: scripts/metaworld.sh",
)


@needs_metaworld
@pytest.mark.slow
def test_metaworld_moves_objects_and_goals_with_the_seed_and_its_experts_succeed() -> None:
    """As it comes, Meta-World freezes the first draw: every episode is the same, and a blind policy passes."""
    with start("metaworld") as simulator:
        assert len(simulator.tasks) == 50
        for task in ("push-v3", "drawer-open-v3"):
            first = []
            for seed in (0, 1, 0):
                assert simulator.reset(task, seed) == task[:-3].replace("-", " ")
                first.append(simulator.observe(CAMERAS))
            np.testing.assert_array_equal(first[0].images["corner"], first[2].images["corner"])
            np.testing.assert_array_equal(first[0].state, first[2].state)
            assert (first[0].images["gripper"] != first[1].images["gripper"]).any()
            # The hand starts at one place whatever the seed: only pictures tell episodes apart.
            np.testing.assert_allclose(first[0].state, first[1].state, atol=1e-6)
            done = [simulator.step(simulator.expert()).success for _ in range(120)]
            assert any(done)
