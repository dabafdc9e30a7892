"""Every preset, untrained and small, where it will be used: in the cell and through wam_inference, in its regime."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from live_graph import Live, live_graph
from test_faults_sensors import Sensors
from tiny import INSTRUCTIONS, tiny_checkpoint

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, Observation
from wam_core.data.statistics import column_statistics
from wam_core.evaluation.rollout import run_episode
from wam_core.executor.executor import Executor
from wam_core.policy import Policy
from wam_core.presets import load_preset, preset_names
from wam_core.robot.robot_file import load_robot
from wam_core.training.batches import action_columns
from wam_core.training.checkpoint import Checkpoint, save_checkpoint
from wam_core.triggers.out_of_distribution import OutOfDistribution
from wam_msgs.msg import PredictedFuture
from wam_msgs.srv import LoadModel

ROBOT = load_robot("panda_cell")
SECONDS = 2.0


def harmless(name: str) -> Checkpoint:
    """Whatever its weights say, its chunks stay within millimetres of where the tool is."""
    checkpoint, rng = tiny_checkpoint(name), np.random.default_rng(0)
    rest = [0.0] * 6 + [0.5]
    chunks = rng.normal(rest, 0.002, (64, checkpoint.preset.horizon, 7)).reshape(64, -1)
    action = column_statistics(action_columns(checkpoint.preset, ROBOT), chunks)
    return replace(checkpoint, statistics={**checkpoint.statistics, "action": action})


class Brief(Cell):
    """Episodes that no untrained model is kept in for long."""

    max_seconds = SECONDS


class Told:
    """A policy that is told what it knows the words of, and counts the chunks that it made."""

    def __init__(self, policy: Policy) -> None:
        self.cameras: Sequence[str] = policy.cameras
        self.senses: Sequence[str] = policy.senses
        self.replan_steps = policy.replan_steps
        self.made = 0
        self._policy = policy

    def act(self, observation: Observation) -> ActionChunk:
        self.made += 1
        return self._policy.act(replace(observation, instruction=INSTRUCTIONS[0]))


@pytest.fixture(scope="module")
def cell() -> Cell:
    return Brief(ROBOT, "raycast")


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_graph("wam_inference", sim=False) as graph:
        graph.futures = []  # type: ignore[attr-defined]
        graph.client.listen(PredictedFuture, "/wam_inference/future", lambda m: graph.futures.append(m))  # type: ignore[attr-defined]
        graph.client.set_parameters("wam_inference", {"model": "fast_wam", "imagine_period_s": 0.0})
        graph.activate("wam_inference")
        sensors = Sensors(graph)
        sensors.start()
        graph.sensors = sensors  # type: ignore[attr-defined]
        yield graph
        sensors.running = False
        sensors.join()


@pytest.mark.parametrize("name", preset_names())
def test_a_small_one_is_built_at_once(name: str) -> None:
    """Trying a wiring took a minute, so nobody tried any."""
    took = []
    for _ in range(2):
        begin = time.process_time()
        tiny_checkpoint(name)
        took.append(time.process_time() - begin)
    assert min(took) < 1.0


@pytest.mark.parametrize("name", preset_names())
def test_it_runs_closed_loop_in_its_own_regime(name: str, cell: Cell) -> None:
    """A preset that was to be asked at every step was asked once a chunk; a plan to be carried out was cut short."""
    preset, policy = load_preset(name), Told(Policy(harmless(name), seed=0))
    result = run_episode(cell, Executor(ROBOT), policy, "reach", 0)
    asked = math.ceil(result.steps / preset.replan_steps)
    assert result.steps == round(SECONDS * ROBOT.rates.action_hz) and policy.made == asked
    assert result.chunks == asked and not result.rejected


def test_a_trigger_makes_a_chunk_as_short_as_it_asks_for(cell: Cell) -> None:
    """The verifier was heard, and the chunk carried out to its end all the same."""
    counts = []
    for parted in (False, True):
        policy = Told(Policy(harmless("ffdc_wam"), seed=0))
        result = run_episode(cell, Executor(ROBOT), policy, "reach", 0, parted=lambda seen, parted=parted: parted)
        counts.append((policy.made, result.chunks))
    assert counts == [(2, 2), (20, 20)]


def test_a_trigger_is_heard_over_ros(live: Live, tmp_path: Path) -> None:
    """The node asked the policy for a new chunk by the clock alone."""
    stamps = {}
    for name in ("dreamavoid", "ffdc_wam"):
        trigger = OutOfDistribution("out_of_distribution", "pixels", references=16, quantile=0.9)
        checkpoint = tiny_checkpoint(name, **({"trigger": trigger} if name == "dreamavoid" else {"trigger": None}))
        save_checkpoint(tmp_path / name, checkpoint)
        answer = live.client.call(LoadModel, "/wam_inference/load_model", LoadModel.Request(model=str(tmp_path / name)))
        assert answer.success, answer.message
        live.chunks.clear()
        assert live.client.set_instruction(INSTRUCTIONS[0]).success
        live.client.wait_until(lambda name=name: sum(c.model == name for c in live.chunks) > 2, f"chunks of {name}")
        assert live.client.set_instruction("").success
        made = [c.header.stamp for c in live.chunks if c.model == name][:3]
        stamps[name] = np.diff([s.sec + 1e-9 * s.nanosec for s in made])
    assert stamps["dreamavoid"].max() < stamps["ffdc_wam"].min(), stamps


@pytest.mark.parametrize("name", preset_names())
def test_it_answers_over_ros(name: str, live: Live, tmp_path: Path) -> None:
    """A preset that was read by name could not be loaded into the node, or its future not be published."""
    save_checkpoint(tmp_path, tiny_checkpoint(name))
    answer = live.client.call(LoadModel, "/wam_inference/load_model", LoadModel.Request(model=str(tmp_path)))
    assert answer.success, answer.message
    live.chunks.clear()
    live.futures.clear()  # type: ignore[attr-defined]
    assert live.client.set_instruction(INSTRUCTIONS[0]).success
    kinds = len(load_preset(name).futures())
    live.client.wait_until(
        lambda: any(c.model == name for c in live.chunks) and len(live.futures) >= kinds,  # type: ignore[attr-defined]
        f"a chunk and {kinds} futures of {name}: {live.said('wam_inference')[-300:]}",
    )
    assert live.client.set_instruction("").success
    chunk = next(c for c in live.chunks if c.model == name)
    assert chunk.horizon == load_preset(name).horizon


def test_a_reflex_answers_between_two_chunks(live: Live, tmp_path: Path) -> None:
    """The arm pressed on until the next chunk was due, though its fingertips had said so at once."""
    save_checkpoint(tmp_path, tiny_checkpoint("omni_vta"))
    answer = live.client.call(LoadModel, "/wam_inference/load_model", LoadModel.Request(model=str(tmp_path)))
    assert answer.success, answer.message
    felt = live.sensors.felt  # type: ignore[attr-defined]
    nothing, horizon = felt["left_fingertip"], load_preset("omni_vta").horizon
    live.chunks.clear()
    assert live.client.set_instruction(INSTRUCTIONS[0]).success
    felt["left_fingertip"] = nothing + np.float32(0.2)
    live.client.wait_until(lambda: any(c.horizon < horizon for c in live.chunks), "a corrected chunk")
    felt["left_fingertip"] = nothing
    assert live.client.set_instruction("").success
    made = live.chunks[: 1 + next(k for k, c in enumerate(live.chunks) if c.horizon < horizon)]
    whole, rest = made[-2:]
    steps = horizon - rest.horizon
    begin, again = (c.start.sec * 10**9 + c.start.nanosec for c in (whole, rest))
    assert again == begin + steps * ROBOT.step_ns and rest.sequence == whole.sequence + 1
    left = np.reshape(whole.values, (horizon, -1))[steps:]
    shift = np.reshape(rest.values, (rest.horizon, -1)) - left
    assert np.linalg.norm(shift[0, :3]) > 1e-3 and not shift[:, 3:].any()
