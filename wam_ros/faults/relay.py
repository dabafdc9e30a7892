"""wam_relay: stands between the cell and whoever listens to it, and passes streams on worse than they came."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState

from wam_core.robot.robot_file import load_robot
from wam_ros.conversion import IMAGE_TYPES
from wam_ros.parameters import declare
from wam_ros.polled import PolledSubscription
from wam_ros.process import run_node
from wam_ros.qos import HISTORY, SENSOR

#: Before the name of a topic: where the cell publishes it for this node.
UPSTREAM = "/upstream"
#: Time between two looks into the queues (s), delay of what is delayed (s), share of what is lost.
LOOK_S, DELAY_S, LOST = 0.001, 0.2, 0.5


@dataclass
class Stream:
    """One topic on its way.

    Attributes:
        last: the message that was passed on last. random: whether one is lost.
    """

    kind: type
    last: bytes = b""
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))


def _not_a_number(message: bytes, stream: Stream) -> bytes:
    state: JointState = deserialize_message(message, stream.kind)
    state.position[len(state.position) // 2] = math.nan
    return serialize_message(state)


#: What becomes of a message: what is passed on in its place, if anything.
WAYS: Mapping[str, Callable[[bytes, Stream], bytes | None]] = {
    "as_it_came": lambda message, stream: message,
    "delayed": lambda message, stream: message,
    "dropped": lambda message, stream: None if stream.random.random() < LOST else message,
    "frozen": lambda message, stream: stream.last or None,
    "stopped": lambda message, stream: None,
    "not_a_number": _not_a_number,
}


class RelayNode(Node):
    """Its parameters ``cameras`` and ``joint_states`` are keys of :data:`WAYS`, and may be changed at any time."""

    def __init__(self) -> None:
        super().__init__("wam_relay")
        robot = load_robot(declare(self, "robot", "panda_cell", "Robot file in config/robots", read_only=True))
        topics = {camera.topic: ("cameras", IMAGE_TYPES[camera.transport]) for camera in robot.cameras}
        topics[robot.topics.joint_states] = ("joint_states", JointState)
        for stream in ("cameras", "joint_states"):
            declare(self, stream, "as_it_came", f"What becomes of {stream}", choices=tuple(WAYS))
        self._lanes = [
            _Lane(
                Stream(kind),
                stream,
                PolledSubscription(self, kind, UPSTREAM + topic, HISTORY, raw=True),
                self.create_publisher(kind, topic, SENSOR).publish,
            )
            for topic, (stream, kind) in topics.items()
        ]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for lane in self._lanes:
                lane.pass_on(lambda name: str(self.get_parameter(name).value))
            time.sleep(LOOK_S)


@dataclass
class _Lane:
    """A stream, the parameter that says what becomes of it, and its two ends."""

    stream: Stream
    parameter: str
    queue: PolledSubscription
    publish: Callable[[bytes], None]
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)

    def pass_on(self, chosen: Callable[[str], str]) -> None:
        now_s = time.monotonic()
        while (message := self.queue.take()) is not None:
            way = chosen(self.parameter)
            sent = WAYS[way](message, self.stream)
            if sent is not None:
                self.waiting.append((now_s + (DELAY_S if way == "delayed" else 0.0), sent))
        while self.waiting and self.waiting[0][0] <= now_s:
            self.stream.last = self.waiting.popleft()[1]
            self.publish(self.stream.last)


def main(args: list[str] | None = None) -> None:
    run_node(RelayNode, args)


if __name__ == "__main__":
    main()
