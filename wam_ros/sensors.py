"""A robot's sensor topics, read into streams by the thread that wants an observation."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image, JointState

from wam_core.contract import Observation
from wam_core.data.senses import decode_sense
from wam_core.preprocess.raw import RawImage, camera_image
from wam_core.preprocess.undistort import undistortion_of
from wam_core.robot.contract import RobotContract
from wam_core.robot.senses import Sense
from wam_msgs.msg import TactileArray
from wam_ros import conversion
from wam_ros.calibrated import CalibratedCamera
from wam_ros.polled import PolledSubscription, await_any
from wam_ros.qos import HISTORY, SENSOR
from wam_ros.streams import Stream, StreamError, Streams, receive


class _Source(NamedTuple):
    """Where a stream's messages come from, and what is read from one."""

    stream: Stream[Any]
    queue: PolledSubscription
    read: Callable[[Any], Any]


class Sensors:
    """Subscriptions to what a model looks at. Messages that are wrong are logged and remembered by their stream."""

    def __init__(self, node: Node, robot: RobotContract, cameras: Sequence[str], senses: Sequence[str]) -> None:
        self._node, self._robot = node, robot
        self._lock = threading.Lock()
        self._streams = Streams(robot, cameras, senses)
        streams, look = self._streams, [robot.sense(name) for name in senses]
        views = map(robot.camera, streams.images)
        self._calibrated = {view.name: CalibratedCamera(node, view) for view in views if view.camera_info}
        self._pictures = [
            _Source(
                stream,
                self._queue(conversion.IMAGE_TYPES[robot.camera(name).transport], stream, SENSOR),
                self._reader(name),
            )
            for name, stream in streams.images.items()
        ]
        self._pictures += [self._sensed(sense, SENSOR) for sense in look if sense.camera]
        read_state, read_touch = partial(conversion.robot_state, robot), partial(conversion.tactile_force, robot)
        self._rest = [
            _Source(streams.states, self._queue(JointState, streams.states, HISTORY), read_state),
            _Source(streams.tactile, self._queue(TactileArray, streams.tactile, HISTORY), read_touch),
        ]
        self._rest += [self._sensed(sense, HISTORY) for sense in look if not sense.camera]

    def destroy(self) -> None:
        for source in (*self._pictures, *self._rest):
            source.queue.destroy()
        for camera in self._calibrated.values():
            camera.destroy()

    def wait(self, timeout_s: float) -> None:
        """Return when a camera has sent a picture that was not read yet, or when the time is over."""
        await_any(self._node, [source.queue for source in self._pictures], timeout_s)

    def read(self) -> bool:
        """Receive what came since the last call, from one thread; whether a picture was among it and every camera has
        now sent its newest."""
        with self._lock:
            came = [self._receive(source) for source in self._pictures]
            for source in self._rest:
                self._receive(source)
            return any(came) and self._streams.complete()

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

    def _queue(self, kind: type, stream: Stream[Any], qos: QoSProfile) -> PolledSubscription:
        return PolledSubscription(self._node, kind, stream.topic, qos)

    def _reader(self, camera: str) -> Callable[[Image | CompressedImage], RawImage]:
        view, calibrated = self._robot.camera(camera), self._calibrated.get(camera)
        undistortion_of(view)  # kept: the first image does not wait for its maps
        return partial(camera_image, view) if calibrated is None else calibrated.read

    def _sensed(self, sense: Sense, qos: QoSProfile) -> _Source:
        stream = self._streams.senses[sense.name]
        queue = self._queue(conversion.sense_type(sense), stream, qos)
        return _Source(stream, queue, lambda message: decode_sense(self._robot, sense, message, sense.name))

    def _receive(self, source: _Source) -> bool:
        """Take over all that is in the queue; whether anything was."""
        came = False
        while (message := source.queue.take()) is not None:
            came = True
            stamp_ns = conversion.nanoseconds(message.header.stamp)
            problem = receive(source.stream, stamp_ns, self._now_ns(), partial(source.read, message))
            if problem is not None:
                self._node.get_logger().error(str(problem), throttle_duration_sec=1.0)
        return came

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds
