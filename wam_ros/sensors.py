"""A robot's sensor topics, received into streams: images by callbacks, the fast rest when an observation is made."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from wam_core.contract import Observation
from wam_core.data.senses import decode_sense
from wam_core.robot.contract import RobotContract
from wam_core.robot.senses import Sense
from wam_msgs.msg import TactileArray
from wam_ros import conversion
from wam_ros.polled import PolledSubscription
from wam_ros.qos import HISTORY, SENSOR
from wam_ros.streams import Stream, StreamError, Streams, receive


class Sensors:
    """Subscriptions to what a model looks at. Messages that are wrong are logged and remembered by their stream."""

    def __init__(
        self,
        node: Node,
        robot: RobotContract,
        cameras: Sequence[str],
        senses: Sequence[str],
        complete: Callable[[], None],
    ) -> None:
        """``complete`` is called in the spin thread whenever every camera has sent its newest picture."""
        self._node, self._robot, self._complete = node, robot, complete
        self._lock = threading.Lock()
        self._streams = Streams(robot, cameras, senses)
        self._images = [
            node.create_subscription(Image, stream.topic, partial(self._on_image, name), SENSOR)
            for name, stream in self._streams.images.items()
        ]
        self._images += [
            node.create_subscription(conversion.sense_type(sense), sense.topic, partial(self._on_sense, sense), SENSOR)
            for sense in map(robot.sense, senses)
            if sense.camera
        ]
        self._senses = [
            (sense, PolledSubscription(node, conversion.sense_type(sense), sense.topic, HISTORY))
            for sense in map(robot.sense, senses)
            if not sense.camera
        ]
        self._joint_states = PolledSubscription(node, JointState, self._streams.states.topic, HISTORY)
        self._touch = PolledSubscription(node, TactileArray, self._streams.tactile.topic, HISTORY)

    def destroy(self) -> None:
        for subscription in self._images:
            self._node.destroy_subscription(subscription)
        self._joint_states.destroy()
        self._touch.destroy()
        for _, queue in self._senses:
            queue.destroy()

    def read_queues(self) -> None:
        """Receive what came since the last call, on the topics without callbacks; from one thread."""
        streams, robot = self._streams, self._robot
        with self._lock:
            while (message := self._joint_states.take()) is not None:
                self._receive(streams.states, message, partial(conversion.robot_state, robot, message))
            while (message := self._touch.take()) is not None:
                self._receive(streams.tactile, message, partial(conversion.tactile_force, robot, message))
            for sense, queue in self._senses:
                while (message := queue.take()) is not None:
                    read = partial(decode_sense, robot, sense, message, sense.name)
                    self._receive(streams.senses[sense.name], message, read)

    def observe(self, instruction: str) -> Observation:
        """The newest observation.

        Raises:
            StreamError: a stream is missing, stale or broken.
        """
        with self._lock:
            return self._streams.observe(instruction, self._now_ns())

    def received_ns(self) -> int:
        """When the last of the newest images came."""
        return max(stream.received_ns for stream in self._streams.images.values())

    def health(self) -> tuple[list[StreamError], dict[str, float]]:
        """What is wrong now, and age, rate, received and refused messages of every stream."""
        now_ns = self._now_ns()
        # Queues are read once per image: what came since does not count as missing.
        settled_ns = now_ns - round(self._robot.staleness.image_s * 1e9)
        problems, values = [], {}
        with self._lock:
            for stream in self._streams.all():
                if (problem := stream.trouble(settled_ns)) is not None:
                    problems.append(problem)
                values[f"{stream.name} age (s)"] = stream.age_s(now_ns)
                values[f"{stream.name} rate (Hz)"] = stream.rate_hz()
                values[f"{stream.name} received"] = stream.received
                values[f"{stream.name} refused"] = stream.refused
        return problems, values

    def _on_image(self, name: str, message: Image) -> None:
        read = partial(conversion.raw_image, self._robot.camera(name), message)
        self._on_picture(self._streams.images[name], message, read)

    def _on_sense(self, sense: Sense, message: Any) -> None:
        read = partial(decode_sense, self._robot, sense, message, sense.name)
        self._on_picture(self._streams.senses[sense.name], message, read)

    def _on_picture(self, stream: Stream[Any], message: Any, read: Callable[[], Any]) -> None:
        with self._lock:
            self._receive(stream, message, read)
            complete = self._streams.complete()
        if complete:
            self._complete()

    def _receive(self, stream: Stream[Any], message: Any, read: Callable[[], Any]) -> None:
        problem = receive(stream, conversion.nanoseconds(message.header.stamp), self._now_ns(), read)
        if problem is not None:
            self._node.get_logger().error(str(problem), throttle_duration_sec=1.0)

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds
