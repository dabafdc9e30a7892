"""The arm over DDS: the cell and the executor as processes, with the scripted expert or hand-made chunks."""

from collections.abc import Iterator

import numpy as np
import pytest
from live_graph import ROBOT, Live, live_graph
from sensor_msgs.msg import Image
from std_msgs.msg import Bool

from wam_msgs.msg import ActionChunk
from wam_ros import conversion
from wam_ros.graph_client import ACTIVATE, DEACTIVATE
from wam_ros.qos import RELIABLE, SENSOR

TOPIC = "/demonstration/action_chunk"


@pytest.fixture(scope="module")
def graph() -> Iterator[Live]:
    with live_graph("wam_cell", "wam_executor") as live:
        live.client.set_parameters("wam_executor", {"chunk_topic": TOPIC})
        live.activate("wam_executor")
        live.sender = live.client.node.create_publisher(ActionChunk, TOPIC, RELIABLE)
        live.wait_for_mode("holding")
        yield live


@pytest.fixture(autouse=True)
def fresh_scene(graph: Live) -> None:
    """Every test begins with the arm at home, at rest, not latched, the expert silent."""
    client = graph.client
    client.set_parameters("wam_cell", {"demonstrate": False})
    client.clear_e_stop()
    client.change_state("wam_executor", DEACTIVATE)
    assert client.reset("reach", 0).success
    assert client.change_state("wam_executor", ACTIVATE)
    graph.wait_for_mode("holding")
    graph.events.clear()


def chunk(graph: Live, values: np.ndarray, names: tuple[str, ...] = ROBOT.action.names) -> ActionChunk:
    """A chunk of tool poses that answers the newest state."""
    graph.joints()
    stamp_ns = conversion.nanoseconds(graph.states[-1].header.stamp)
    return ActionChunk(
        header=conversion.header(stamp_ns, ROBOT.base_frame),
        start=conversion.time_message(stamp_ns + ROBOT.step_ns),
        step=conversion.duration_message(ROBOT.step_ns),
        space="ee_pose",
        names=list(names),
        horizon=len(values),
        values=values.reshape(-1).tolist(),
        sequence=stamp_ns // 1_000_000,
        model="test",
    )


def refused(graph: Live, message: ActionChunk, field: str) -> None:
    """The chunk is refused with ``field`` named, and the arm does not move."""
    before = graph.joints()
    graph.sender.publish(message)
    graph.client.wait_until(lambda: any(e.joint == field for e in graph.events), f"an event about {field}", 5.0)
    event = next(e for e in graph.events if e.joint == field)
    assert event.action == event.REJECTED and field in event.message
    graph.client.spin(0.3)
    assert np.abs(graph.joints() - before).max() < 1e-3
    assert graph.status.mode == "holding" and not graph.status.latched


def test_the_expert_reaches_its_goal_over_dds(graph: Live) -> None:
    """Prevents: a loop that works in one process and diverges over the delay of a real transport."""
    success: list[bool] = []
    graph.client.listen(Bool, "/wam_cell/success", lambda m: success.append(m.data))
    graph.client.set_parameters("wam_cell", {"demonstrate": True})
    graph.client.wait_until(lambda: success[-1:] == [True], "success of the expert", 20.0)
    assert graph.status.mode == "tracking"
    assert graph.status.tracking_error_rad < 0.05


def test_e_stop_holds_until_it_is_cleared(graph: Live) -> None:
    """Prevents: a stop that lets go by itself, or an arm that cannot go on after it."""
    graph.client.set_parameters("wam_cell", {"demonstrate": True})
    graph.client.wait_until(graph.moves, "motion")
    answer = graph.client.e_stop("test")
    assert answer.success and "test" in answer.message
    assert graph.seconds_to_rest() < 0.6
    held = graph.joints()
    graph.client.spin(0.5)
    assert graph.status.latched and graph.status.mode == "latched" and "test" in graph.status.latch_reason
    assert np.abs(graph.joints() - held).max() < 2e-3
    assert graph.client.clear_e_stop().success
    graph.client.wait_until(graph.moves, "motion after the stop was cleared")


def test_a_chunk_with_nan_is_refused_by_name(graph: Live) -> None:
    """Prevents: one NaN of a model becoming a torque."""
    values = np.tile([0.5, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0], (8, 1))
    values[3, 1] = np.nan
    refused(graph, chunk(graph, values), "chunk.values[3, y]")


def test_a_chunk_with_wrong_names_is_refused_by_name(graph: Live) -> None:
    """Prevents: columns in another order being executed as if they were the robot's."""
    values = np.tile([0.5, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0], (8, 1))
    refused(graph, chunk(graph, values, ("y", "x", *ROBOT.action.names[2:])), "chunk.names")


def test_a_chunk_whose_values_do_not_fit_its_shape_is_refused(graph: Live) -> None:
    """Prevents: a misread row-major array."""
    message = chunk(graph, np.tile([0.5, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0], (8, 1)))
    message.horizon = 9
    refused(graph, message, "chunk.values")


def test_deactivation_brings_a_moving_arm_to_rest(graph: Live) -> None:
    """Prevents: commands that simply cease while the arm moves at full speed."""
    graph.client.set_parameters("wam_cell", {"demonstrate": True})
    graph.client.wait_until(graph.moves, "motion")
    assert graph.client.change_state("wam_executor", DEACTIVATE)
    graph.client.spin(0.1)
    assert graph.speed() < 0.05
    held = graph.joints()
    graph.client.spin(0.5)
    assert np.abs(graph.joints() - held).max() < 0.02


def test_a_reset_to_an_unknown_task_names_the_known_ones(graph: Live) -> None:
    """Prevents: a typing error that resets nothing and says nothing."""
    answer = graph.client.reset("pusch", 0)
    assert not answer.success and "push" in answer.message


def test_a_reset_is_answered_when_the_cameras_have_shown_the_new_scene(graph: Live) -> None:
    """The first chunk of a task was made from the scene before it, and tore the arm away: a new scene's first picture
    takes up to 0.3 s, and the one before is not yet stale then. Of ten episodes of the demo two or three failed."""
    pictures: list[np.ndarray] = []
    image = graph.client.node.create_subscription(
        Image, ROBOT.cameras[0].topic, lambda m: pictures.append(np.array(m.data, np.int16)), SENSOR
    )
    for task in ("push", "drawer", "reach"):
        graph.client.wait_until(lambda: bool(pictures), "a picture")
        before = pictures[-1]
        assert graph.client.reset(task, 5).success
        graph.client.spin(0.02)  # what was sent before the answer may be heard after it
        assert np.abs(pictures[-1] - before).mean() > 3.0, task
    graph.client.node.destroy_subscription(image)
