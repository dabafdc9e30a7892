"""A node that is told to work before it has heard what time it is: what a restart in simulation looks like."""

import time
from collections.abc import Iterator

import pytest
from live_graph import Live, live_graph
from rosgraph_msgs.msg import Clock
from tiny_checkpoint import make_tiny_checkpoint

from wam_msgs.action import RunTask
from wam_ros.conversion import time_message
from wam_ros.qos import COMMAND


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The inference alone, on simulated time that nobody publishes yet."""
    checkpoint = make_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))
    with live_graph("wam_inference") as graph:
        graph.client.set_parameters("wam_inference", {"model": str(checkpoint)})
        graph.activate("wam_inference")
        yield graph


def test_a_task_can_be_cancelled_while_time_stands_still(live: Live) -> None:
    """Prevents: a paused simulation that keeps a task, and refuses every other, until it goes on."""
    handle = live.client.start_task("reach the red ball", 30.0)
    live.client.wait_until(handle.cancel_goal_async().done, "the cancellation")
    assert live.client.result_of(handle, 20.0).reason == "cancelled"


def test_a_task_does_not_time_out_when_the_first_time_arrives(live: Live) -> None:
    """Prevents: a restarted model whose task ends at once, "after 1795182736.1 s", because it began at time zero."""
    heard: list[RunTask.Feedback] = []
    handle = live.client.start_task("reach the red ball", 30.0, heard.append)
    clock = live.client.node.create_publisher(Clock, "/clock", COMMAND)
    begin_ns = time.time_ns()

    def time_passes() -> None:
        clock.publish(Clock(clock=time_message(time.time_ns())))

    def hears_time() -> bool:
        time_passes()
        return any(feedback.elapsed_s > 0.0 for feedback in heard)

    live.client.wait_until(hears_time, "a task that knows the time", 20.0)
    assert max(feedback.elapsed_s for feedback in heard) <= (time.time_ns() - begin_ns) / 1e9
    live.client.wait_until(handle.cancel_goal_async().done, "the cancellation")
    assert live.client.result_of(handle, 20.0, time_passes).reason == "cancelled"
