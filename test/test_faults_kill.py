"""kill -9 of the model's process during a task."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live_graph import Live, live_graph
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.data.messages import header_stamp_ns
from wam_core.data.recording import Recording
from wam_core.errors import ContractError
from wam_core.robot.robot_file import load_robot
from wam_msgs.srv import StartRecording
from wam_ros.conversion import nanoseconds

ROBOT = load_robot("panda_cell")
#: After the chunk it follows has run out for this long the arm must have begun to stop (s), and the stop itself.
LONGEST_CHUNK_S = 1.6
STOP_S = 0.5


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    checkpoint = make_tiny_checkpoint(tmp_path_factory.mktemp("tiny"), spread=0.06)
    with live_graph("wam_cell", "wam_executor", "wam_inference") as graph:
        graph.client.set_parameters("wam_inference", {"model": str(checkpoint), "replan_steps": 0})
        graph.checkpoint = checkpoint
        graph.activate("wam_executor", "wam_inference")
        graph.wait_for_mode("holding")
        yield graph


def test_a_killed_model_leaves_the_arm_at_rest_and_can_come_back(live: Live) -> None:
    """Prevents: a dead model taking the arm with it, or an arm that needs more than a restart of the model."""
    live.client.start_task("reach the red ball", 30.0)
    live.client.wait_until(lambda: len(live.chunks) >= 2 and live.moves(), "motion under the model")
    live.processes.process("wam_inference").send_signal(signal.SIGKILL)
    rest_s = live.seconds_to_rest(20.0)
    assert rest_s < LONGEST_CHUNK_S + ROBOT.staleness.chunk_s + STOP_S
    live.wait_for_mode("holding")
    assert not live.status.latched
    held = live.joints()
    live.client.spin(0.5)
    assert np.abs(live.joints() - held).max() < 1e-3

    # A request to a killed process is lost as long as the graph still lists it.
    names = live.client.node.get_node_names
    live.client.wait_until(lambda: "wam_inference" not in names(), "the graph to forget the dead node")
    live.processes.start("wam_inference")
    live.client.set_parameters("wam_inference", {"model": str(live.checkpoint), "replan_steps": 0})
    live.activate("wam_inference")
    live.chunks.clear()
    handle = live.client.start_task("reach the red ball", 30.0)
    # The first chunks may be out before this process has discovered their new publisher.
    live.client.wait_until(
        lambda: live.moves() and live.status.mode == "tracking" and bool(live.chunks), "motion after the restart", 60.0
    )
    live.client.wait_until(handle.cancel_goal_async().done, "the cancellation")
    live.client.result_of(handle, 10.0)


def test_a_cancelled_task_leaves_the_arm_holding(live: Live) -> None:
    """Prevents: chunks that go on after nobody wants the task any more."""
    handle = live.client.start_task("reach the red ball", 30.0)
    live.client.wait_until(live.moves, "motion under the model")
    live.client.wait_until(handle.cancel_goal_async().done, "the cancellation")
    assert live.client.result_of(handle, 10.0).reason == "cancelled"
    live.joints()
    ended_ns = nanoseconds(live.states[-1].header.stamp)
    live.wait_for_mode("holding")
    # By stamp: a chunk of before the end may reach this process after the result did.
    assert all(nanoseconds(chunk.header.stamp) < ended_ns for chunk in live.chunks)


def test_a_task_ends_when_the_arm_is_stopped(live: Live) -> None:
    """Prevents: a task that waits for its time-out while an operator holds the arm."""
    assert live.client.clear_e_stop().success
    handle = live.client.start_task("reach the red ball", 30.0)
    live.client.wait_until(live.moves, "motion under the model")
    live.client.e_stop("operator")
    result = live.client.result_of(handle, 10.0)
    assert not result.success and "operator" in result.reason
    live.client.clear_e_stop()


def state_stamps(path: Path) -> list[int]:
    """Stamps of the joint states in a recording that may still be growing, ns."""
    if not path.exists():
        return []
    return [header_stamp_ns(m.data) for m in Recording(path).messages((ROBOT.topics.joint_states,))]


def test_a_killed_recorder_loses_less_than_a_second(live: Live, tmp_path: Path) -> None:
    """Prevents: an episode that is gone because the process that recorded it was."""
    live.processes.start("wam_recorder")
    live.client.set_parameters("wam_recorder", {"folder": str(tmp_path)})
    request = StartRecording.Request(name="cut_off")
    assert live.client.call(StartRecording, "/wam_recorder/start", request).success
    path = tmp_path / "cut_off.mcap"
    give_up = time.monotonic() + 60.0
    while not (stamps := state_stamps(path)) or stamps[-1] - stamps[0] < 2_000_000_000:
        assert time.monotonic() < give_up, "the recorder never wrote two seconds of joint states"
        live.client.spin(0.5)
    live.joints()
    last_ns = nanoseconds(live.states[-1].header.stamp)
    live.processes.process("wam_recorder").send_signal(signal.SIGKILL)
    recording = Recording(path)
    stamps = [header_stamp_ns(m.data) for m in recording.messages((ROBOT.topics.joint_states,))]
    assert not recording.complete
    assert stamps[-1] > last_ns - 1_000_000_000 and stamps[-1] - stamps[0] > 1_000_000_000
    assert "robot_contract" in recording.metadata


def test_a_wrong_choice_is_refused_while_running(live: Live) -> None:
    """Prevents: a typing error in a parameter that silently means something else."""
    with pytest.raises(ContractError, match="never"):
        live.client.set_parameters("wam_inference", {"imagine": "sometimes"})


def test_a_parameter_read_at_configure_is_refused_while_running(live: Live) -> None:
    """Prevents: another model that is reported as chosen while the old one goes on moving the arm."""
    with pytest.raises(ContractError, match="model: takes effect at configure"):
        live.client.set_parameters("wam_inference", {"model": "fast_wam_joint"})
    live.client.set_parameters("wam_inference", {"model": str(live.checkpoint), "replan_steps": 0})
