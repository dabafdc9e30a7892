"""Senses over ROS: wam_cell sends those that somebody asks for, a model's node hears them, the recorder keeps them."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from live_graph import ROBOT, Live, live_graph
from rclpy.parameter import Parameter

from wam_core.contract import Observation, RobotState
from wam_core.data.reader import read_episode
from wam_core.robot.senses import SENSED, form
from wam_msgs.srv import Reset, StartRecording, StopRecording
from wam_ros.sensors import Sensors
from wam_ros.streams import Fault, StreamError, Streams

STAMP = 1_790_000_000_123_456_789
STEP = ROBOT.step_ns
NAMES = [sense.name for sense in ROBOT.senses if sense.camera in ("", "front")]


def streams_at(stamp_ns: int, senses: list[str]) -> Streams:
    """Everything that is no sense, as fresh as it can be."""
    streams = Streams(ROBOT, ("front",), senses)
    streams.images["front"].put(stamp_ns, np.zeros((128, 128, 3), np.uint8), stamp_ns)
    state = RobotState(stamp_ns, np.append(ROBOT.home, 0.04), np.zeros(8))
    streams.states.put(stamp_ns, state, stamp_ns)
    return streams


def fault(streams: Streams, now_ns: int) -> tuple[str, Fault]:
    with pytest.raises(StreamError) as found:
        streams.observe("reach the red ball", now_ns)
    return found.value.stream, found.value.fault


def test_a_sense_that_is_missing_or_stale_stops_the_chunk_by_its_name() -> None:
    """A glove that was unplugged felt nothing, and the hand closed further and further."""
    streams = streams_at(STAMP, ["left_fingertip"])
    assert fault(streams, STAMP) == ("left_fingertip", Fault.MISSING)
    image = np.zeros((16, 16), np.float32)
    streams.senses["left_fingertip"].put(STAMP - 4 * STEP, image, STAMP)
    assert fault(streams, STAMP) == ("left_fingertip", Fault.STALE)
    streams.senses["left_fingertip"].put(STAMP - STEP, image, STAMP)
    assert np.array_equal(streams.observe("", STAMP).senses["left_fingertip"], image)
    assert streams.senses["left_fingertip"] in streams.all()


def test_sound_is_a_whole_step_or_none() -> None:
    """Where a block was lost, the sound before it was put to the sound after it."""
    streams = streams_at(STAMP, ["sound"])
    sound, block = streams.senses["sound"], STEP // 5
    for k in range(4, 0, -1):
        sound.put(STAMP - k * block, np.full(160, -k, np.float32), STAMP)
    assert fault(streams, STAMP) == ("sound", Fault.BROKEN)
    sound.put(STAMP, np.zeros(160, np.float32), STAMP)
    sound.put(STAMP + block, np.ones(160, np.float32), STAMP)
    heard = streams.observe("", STAMP).senses["sound"]
    assert heard.shape == (800,) and heard[0] == -4.0 and heard[-1] == 0.0
    later = streams_at(STAMP + 2 * block, ["sound"])
    for k in (-3, -2, 0, 1, 2):
        later.senses["sound"].put(STAMP + k * block, np.zeros(160, np.float32), STAMP)
    assert fault(later, STAMP + 2 * block) == ("sound", Fault.BROKEN)


def test_depth_counts_only_with_the_picture_that_it_belongs_to() -> None:
    """The newest picture went with the depth of the one before: everything that moved had a wrong distance."""
    streams, depth = streams_at(STAMP, ["front_depth"]), np.ones((128, 128), np.float32)
    streams.senses["front_depth"].put(STAMP - STEP, depth, STAMP)
    assert not streams.complete() and fault(streams, STAMP) == ("front_depth", Fault.APART)
    streams.senses["front_depth"].put(STAMP, 2 * depth, STAMP)
    assert streams.complete() and streams.observe("", STAMP).senses["front_depth"][0, 0] == 2.0


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_graph("wam_cell", "wam_recorder") as graph:
        yield graph


def test_the_cell_sends_what_somebody_listens_to(live: Live) -> None:
    """Depth of three cameras was rendered for nobody; a model was given the senses of another instant."""
    node = live.client.node
    node.set_parameters([Parameter("use_sim_time", value=True)])
    live.client.wait_until(lambda: bool(live.states), "the cell")
    assert node.count_publishers("/cell/sound") == 1
    seen: list[Observation] = []
    problems: list[str] = []

    def enough() -> bool:
        sensors.wait(0.1)
        if sensors.read():
            try:
                seen.append(sensors.observe("reach the red ball"))
            except StreamError as error:
                problems.append(str(error))
        return len(seen) >= 3

    sensors = Sensors(node, ROBOT, ["front"], NAMES)
    with suppress(TimeoutError):
        live.client.wait_until(enough, "observations", 30.0)
    assert len(seen) >= 3, problems[-3:]
    observation = seen[-1]
    assert set(observation.senses) == set(NAMES)
    for name, values in observation.senses.items():
        assert (values.shape, values.dtype) == form(ROBOT, ROBOT.sense(name)), name
    assert observation.senses["front_object"].any() and not observation.senses["sound"].any()
    assert 0.5 < observation.senses["front_depth"][observation.senses["front_object"]].mean() < 1.5
    sensors.destroy()


def test_what_was_recorded_of_the_senses_is_read_with_the_rest(live: Live, tmp_path: Path) -> None:
    """The recorder knew nothing of the new topics; with them, a recording could not be read any more."""
    live.client.set_parameters("wam_recorder", {"folder": str(tmp_path), "senses": True})
    live.client.call(Reset, "/wam_cell/reset", Reset.Request(task="push", seed=3))
    live.client.set_parameters("wam_cell", {"demonstrate": True})
    started = live.client.call(StartRecording, "/wam_recorder/start", StartRecording.Request(name="a"))
    assert started.success, started.message
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        live.client.spin(0.1)
    stopped = live.client.call(StopRecording, "/wam_recorder/stop", StopRecording.Request())
    live.client.set_parameters("wam_cell", {"demonstrate": False})
    assert stopped.success, stopped.message
    episode = read_episode(Path(stopped.paths[0]), cameras=["front"], channels=sorted(SENSED))
    assert set(episode.senses) == set(NAMES) and len(episode.stamps_ns) >= 5
    assert np.allclose(np.diff(episode.senses["object_pose"][:, :3], axis=0), 0.0, atol=1e-3)
    assert np.all(np.isfinite(episode.senses["front_depth"]))
