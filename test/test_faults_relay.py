"""The relay between cell and listeners: each way of passing a stream on is what its name says."""

import time
from collections.abc import Callable, Container, Iterator

import numpy as np
import pytest
from live_graph import ROBOT, own_domain
from sensor_msgs.msg import Image, JointState

from wam_core.contract import RobotState
from wam_ros import conversion
from wam_ros.faults.layouts import RELAY
from wam_ros.faults.relay import DELAY_S, UPSTREAM, WAYS
from wam_ros.graph_client import GraphClient
from wam_ros.graph_processes import GraphProcesses
from wam_ros.node_table import Options
from wam_ros.qos import RECORDED_SENSOR, SENSOR

CAMERA = ROBOT.cameras[0]
#: Messages that are sent in each way, and the time between two (s).
SENT, PERIOD_S = 60, 0.01


#: Sensors are sent without guarantee: on a busy machine this share of the messages comes at least.
MOST = 0.8


class Streams:
    """Sends a camera and joint states upstream of the relay, and hears what comes of them; by number."""

    def __init__(self, client: GraphClient) -> None:
        self.client, self.number = client, 0
        self.images: dict[int, float] = {}
        self.states: dict[int, JointState] = {}
        self.repeated = 0
        create = client.node.create_publisher
        self._images = create(Image, UPSTREAM + CAMERA.topic, SENSOR)
        self._states = create(JointState, UPSTREAM + ROBOT.topics.joint_states, SENSOR)
        client.listen(Image, CAMERA.topic, self._on_image, RECORDED_SENSOR)
        client.listen(JointState, ROBOT.topics.joint_states, self._on_state, RECORDED_SENSOR)
        self.sent_s: dict[int, float] = {}

    def _on_image(self, message: Image) -> None:
        number = conversion.nanoseconds(message.header.stamp)
        self.repeated += number in self.images
        self.images.setdefault(number, time.monotonic())

    def _on_state(self, message: JointState) -> None:
        self.states[conversion.nanoseconds(message.header.stamp)] = message

    def send(self, cameras: str, joint_states: str) -> range:
        """Send some messages under these ways and wait for what comes; the numbers that were sent."""
        self.client.set_parameters("wam_relay", {"cameras": cameras, "joint_states": joint_states})
        self.repeated = 0
        first = self.number + 1
        for _ in range(SENT):
            self.number += 1
            self.sent_s[self.number] = time.monotonic()
            pixels = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
            self._images.publish(conversion.image_message(pixels, CAMERA.frame, self.number))
            state = RobotState(self.number, np.append(ROBOT.home, 0.04), np.zeros(8))
            self._states.publish(conversion.joint_state_message(ROBOT, state, self.number))
            self.client.spin(PERIOD_S)
        self.client.spin(DELAY_S + 0.2)
        return range(first, self.number + 1)


def came(sent: range, heard: Container[int]) -> float:
    """The share of what was sent that was heard."""
    return sum(number in heard for number in sent) / len(sent)


@pytest.fixture(scope="module")
def streams() -> Iterator[Streams]:
    with own_domain():
        graph = GraphProcesses(Options(sim=False), lambda line: None)
        graph.nodes = {RELAY.name: RELAY}
        try:
            graph.start(RELAY.name)
            with GraphClient("wam_test") as client:
                streams = Streams(client)
                both = [CAMERA.topic, ROBOT.topics.joint_states]
                count: Callable[[str], int] = client.node.count_subscribers
                client.wait_until(lambda: all(count(UPSTREAM + t) and count(t) for t in both), "the relay", 60.0)
                while not (streams.images and streams.states):
                    streams.send("as_it_came", "as_it_came")
                yield streams
        finally:
            graph.stop()


@pytest.mark.slow
def test_each_way_is_what_it_says(streams: Streams) -> None:
    """Prevents: a fault that is reported and was never there, or one that changes what it should leave alone."""
    sent = streams.send("as_it_came", "as_it_came")
    assert came(sent, streams.images) > MOST and came(sent, streams.states) > MOST
    assert np.isfinite(streams.states[sent[-1]].position).all()

    sent = streams.send("delayed", "not_a_number")
    assert came(sent, streams.images) > MOST and came(sent, streams.states) > MOST
    assert min(streams.images[n] - streams.sent_s[n] for n in sent if n in streams.images) >= DELAY_S
    assert all(np.isnan(streams.states[n].position).sum() == 1 for n in sent if n in streams.states)

    sent = streams.send("dropped", "stopped")
    assert 0.2 < came(sent, streams.images) < 0.75
    assert came(sent, streams.states) == 0.0

    sent = streams.send("frozen", "as_it_came")
    assert came(sent, streams.images) == 0.0 and streams.repeated > MOST * SENT
    assert came(sent, streams.states) > MOST
    assert set(WAYS) == {"as_it_came", "delayed", "dropped", "frozen", "stopped", "not_a_number"}
