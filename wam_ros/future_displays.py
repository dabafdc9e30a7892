"""The displays of one kind of future: film strip, comparison, playback, and where it lies in the robot's space."""

from collections import deque

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from wam_core.contract import Future
from wam_core.evaluation.film_strip import compare, draw
from wam_core.robot.contract import RobotContract
from wam_core.viewing.displays import SOLID
from wam_core.viewing.in_space import MOTIONS, cloud, lines, points
from wam_core.viewing.pictures import MAPS, OF_NO_CAMERA, as_pictures, over_live
from wam_ros import conversion
from wam_ros.markers import line_markers
from wam_ros.qos import RELIABLE
from wam_ros.sight import Sight

#: Futures that wait for their last instant.
LONGEST_WAIT = 8

Pixels = NDArray[np.uint8]


class FutureDisplays:
    """Topics are below the node's name: ``<kind>/film_strip``, ``<kind>/comparison``, ``<kind>/<camera>/imagined``."""

    def __init__(self, node: Node, robot: RobotContract, sight: Sight, kind: str) -> None:
        self._node, self._robot, self._sight, self._kind = node, robot, sight, kind
        self._newest: tuple[Future, Future] | None = None
        self._waiting: deque[Future] = deque(maxlen=LONGEST_WAIT)
        self._strip = self._publisher(Image, "film_strip")
        self._compared = kind not in OF_NO_CAMERA and kind != "nearest"
        self._comparison = self._publisher(Image, "comparison") if self._compared else None
        self._lines = self._publisher(MarkerArray, "lines") if kind in MOTIONS else None
        self._points = self._publisher(PointCloud2, "points") if kind in SOLID else None
        self._playback: dict[str, Publisher] = {}
        self._over: dict[str, Publisher] = {}

    def forget(self) -> None:
        """What was imagined will not come."""
        self._newest = None
        self._waiting.clear()

    def show(self, future: Future) -> None:
        """Show a new future.

        Raises:
            ContractError: a kind that nothing draws.
        """
        shown = as_pictures(future)
        self._newest = future, shown
        for camera in shown.regions:
            if camera not in self._playback:
                self._playback[camera] = self._publisher(Image, f"{camera}/imagined")
                if self._kind in MAPS:
                    self._over[camera] = self._publisher(Image, f"{camera}/over_live")
        if self._compared and shown.regions:
            self._waiting.append(shown)
        self._publish_strip(self._strip, shown)
        tool = self._sight.proprioception_at(future.stamp_ns)
        if self._lines is not None and tool is not None and self._lines.get_subscription_count():
            header = conversion.header(future.stamp_ns, self._robot.base_frame)
            self._lines.publish(line_markers(header, lines(self._robot, future, tool)))

    def play(self, now_ns: int) -> None:
        """Show the frame that is predicted for now, and compare futures that have come to pass."""
        while self._waiting and _end_ns(self._waiting[0]) + self._sight.tolerance_ns < now_ns:
            past = self._waiting.popleft()
            if self._comparison is not None:
                self._publish_strip(self._comparison, past)
        if self._newest is None or _end_ns(self._newest[0]) + self._newest[0].step_ns < now_ns:
            return
        future, shown = self._newest
        k = int(np.clip(round((now_ns - future.stamp_ns) / future.step_ns) - 1, 0, len(future.values) - 1))
        due_ns = future.stamp_ns + (k + 1) * future.step_ns
        for camera, (top, left, height, width) in shown.regions.items():
            tile = shown.values[k, top : top + height, left : left + width].astype(np.uint8)
            self._publish_image(self._playback[camera], camera, tile, due_ns)
            newest = self._sight.newest(camera)
            if camera in self._over and newest is not None:
                stamp_ns, live = newest
                level = future.values[k, top : top + height, left : left + width].astype(np.float32)
                self._publish_image(self._over[camera], camera, over_live(live, tile, level), stamp_ns)
        # By then the arm is where the plan says, and a camera on it with it; without a plan, where it is.
        tool = self._sight.planned_at(due_ns)
        if self._points is not None and tool is not None and self._points.get_subscription_count():
            colours = shown.values[k].astype(np.uint8)
            found = cloud(future, k) if self._kind == "cloud" else points(self._robot, future, colours, k, tool)
            self._points.publish(conversion.cloud_message(*found, self._robot.base_frame, future.stamp_ns))

    def _publish_image(self, publisher: Publisher, camera: str, pixels: Pixels, stamp_ns: int) -> None:
        if publisher.get_subscription_count():
            frame = self._robot.camera(camera).frame
            publisher.publish(conversion.image_message(pixels, frame, stamp_ns))

    def _publish_strip(self, publisher: Publisher, shown: Future) -> None:
        instants = [shown.stamp_ns + k * shown.step_ns for k in range(len(shown.values) + 1)]
        titles, rows = compare(shown, [self._sight.at(instant) for instant in instants])
        picture = draw(titles, rows)
        publisher.publish(conversion.image_message(picture, self._robot.base_frame, shown.stamp_ns))

    def _publisher(self, message: type, name: str) -> Publisher:
        return self._node.create_publisher(message, f"~/{self._kind}/{name}", RELIABLE)


def _end_ns(future: Future) -> int:
    return future.stamp_ns + len(future.values) * future.step_ns
