"""What the nodes are made of, without a graph: messages, streams, histograms, pictures."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_graph import ROBOT

from wam_core.contract import ActionChunk, Future, RobotState
from wam_core.data.predictions import action_chunk, predicted_future
from wam_core.errors import ContractError
from wam_core.evaluation.film_strip import compare, draw
from wam_core.preprocess.raw import camera_image
from wam_ros import conversion
from wam_ros.histogram import GROWTH, SMALLEST_S, Histogram
from wam_ros.streams import Fault, Stream, StreamError, Streams, receive

STAMP = 1_790_000_000_123_456_789
CHUNK = ActionChunk(
    STAMP, STAMP + ROBOT.step_ns, ROBOT.step_ns, ROBOT.action.names, "ee_pose", np.zeros((2, 7)), 3, "m", 5
)


@given(st.integers(1, 20), st.integers(0, 2**62), st.floats(-1e6, 1e6))
def test_a_chunk_survives_the_way_through_a_message(horizon: int, sequence: int, value: float) -> None:
    """Prevents: stamps rounded to microseconds, or values transposed, between model and executor."""
    values = np.full((horizon, 7), value) + np.arange(7)
    chunk = replace(CHUNK, values=values, sequence=sequence)
    back = action_chunk(conversion.chunk_message(ROBOT, chunk))
    assert np.array_equal(back.values, values)
    assert replace(back, values=chunk.values) == chunk


def test_joint_states_in_another_order_are_put_right() -> None:
    """Prevents: drivers that sort joints by name moving the wrong ones."""
    count = len(ROBOT.joint_names)
    state = RobotState(STAMP, np.arange(count, dtype=float), -np.arange(count, dtype=float))
    message = conversion.joint_state_message(ROBOT, state, STAMP)
    order = [5, 1, 7, 0, 2, 6, 3, 4]
    for name in ("name", "position", "velocity"):
        values = list(getattr(message, name))
        setattr(message, name, [values[i] for i in order])
    back = conversion.robot_state(ROBOT, message)
    assert np.array_equal(back.position, state.position) and np.array_equal(back.velocity, state.velocity)


def test_a_command_that_is_not_finite_is_refused_by_joint() -> None:
    """Prevents: a NaN torque reaching a drive."""
    message = conversion.joint_state_message(ROBOT, RobotState(STAMP, np.zeros(8), np.zeros(8), np.zeros(8)), STAMP)
    message.effort[2] = float("inf")
    with pytest.raises(ContractError, match="panda_joint3"):
        conversion.command_effort(ROBOT, message)


def test_a_padded_bgr_image_is_read_right() -> None:
    """Prevents: rows of a camera with padding being sheared, or colours being swapped."""
    camera = ROBOT.cameras[0]
    rgb = np.random.default_rng(0).integers(0, 255, (camera.height, camera.width, 3), np.uint8)
    message = conversion.image_message(rgb, camera.frame, STAMP)
    assert np.array_equal(camera_image(camera, message).rgb(), rgb)
    padded = np.zeros((camera.height, camera.width * 3 + 5), np.uint8)
    padded[:, : camera.width * 3] = rgb[:, :, ::-1].reshape(camera.height, -1)
    message.encoding, message.step, message.data = "bgr8", padded.shape[1], padded.tobytes()
    assert np.array_equal(camera_image(camera, message).rgb(), rgb)


def test_a_future_survives_the_way_through_a_message() -> None:
    """Prevents: imagined frames that are stamped with the instant they were made instead of the one they show."""
    values = np.random.default_rng(0).integers(0, 255, (4, 8, 12, 3), np.uint8)
    future = Future(STAMP, "video", 400_000_000, values, {"front": (0, 0, 8, 6), "wrist": (0, 6, 8, 6)}, 9)
    message = conversion.future_message(ROBOT, future, "m")
    stamps = [conversion.nanoseconds(frame.header.stamp) - STAMP for frame in message.frames]
    assert stamps == [400_000_000, 800_000_000, 1_200_000_000, 1_600_000_000]
    back = predicted_future(message)
    assert np.array_equal(back.values, values) and back.regions == future.regions and back.sequence == 9


@given(st.lists(st.floats(2 * SMALLEST_S, 1.0), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_histogram_quantiles_are_within_a_bin(durations: list[float], share: float) -> None:
    """Prevents: a status that flatters the timing."""
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    exact = float(np.quantile(durations, share, method="inverted_cdf"))
    assert exact / GROWTH <= histogram.quantile(share) <= exact * GROWTH
    assert histogram.max_s == max(durations)


def stream() -> Stream[int]:
    return Stream("front", "/front", 300_000_000)


def test_an_older_stamp_is_refused_and_the_newer_value_stays() -> None:
    """Prevents: a disordered message replacing the present."""
    front = stream()
    assert receive(front, STAMP, STAMP, lambda: 1) is None
    error = receive(front, STAMP - 1, STAMP, lambda: 2)
    assert error is not None and error.fault is Fault.BACKWARD
    assert front.values[-1] == (STAMP, 1) and front.refused == 1


def test_a_clock_that_was_turned_back_starts_the_stream_anew() -> None:
    """Prevents: a restarted simulation that is refused for ever."""
    front = stream()
    receive(front, STAMP, STAMP, lambda: 1)
    earlier = STAMP - 60_000_000_000
    assert receive(front, earlier, earlier, lambda: 2) is None
    assert front.at(earlier) == (earlier, 2)


def test_the_value_of_an_instant_is_the_newest_not_after_it() -> None:
    """Prevents: a picture being paired with the pose the arm had when the picture arrived."""
    front = stream()
    for k in range(5):
        front.put(STAMP + k * 10_000_000, k, STAMP)
    assert front.at(STAMP + 25_000_000)[1] == 2


def test_an_unseen_stream_is_missing_not_zero() -> None:
    """Prevents: zeros where a sensor never spoke."""
    streams = Streams(ROBOT, ("front",))
    with pytest.raises(StreamError, match=r"front: missing: .*/cell/front/image_raw"):
        streams.observe("reach the red ball", STAMP)


def test_cameras_that_were_not_taken_together_are_no_observation() -> None:
    """Prevents: two instants in one picture."""
    streams = Streams(ROBOT, ("front", "wrist"))
    pixels = np.zeros((128, 128, 3), np.uint8)
    streams.images["front"].put(STAMP, pixels, STAMP)
    streams.images["wrist"].put(STAMP - 100_000_000, pixels, STAMP)
    assert not streams.complete()
    with pytest.raises(StreamError, match="wrist"):
        streams.observe("reach the red ball", STAMP)


def test_a_strip_has_a_column_per_instant_and_two_rows_per_camera() -> None:
    """Prevents: imagined frames below the measured ones of another instant."""
    values = np.zeros((2, 8, 8, 3), np.uint8)
    future = Future(STAMP, "video", 400_000_000, values, {"front": (0, 0, 8, 8)})
    titles, rows = compare(future, [{"front": np.full((16, 16, 3), 200, np.uint8)}, {}, {}])
    assert titles == ["now", "+0.4 s", "+0.8 s"]
    measured, imagined = rows
    assert measured.tiles[0].shape == (8, 8, 3) and measured.tiles[1] is None
    assert imagined.tiles[0] is None and len(imagined.tiles) == 3
    assert draw(titles, rows).dtype == np.uint8
