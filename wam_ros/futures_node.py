"""wam_futures: what the model imagines, for people: film strip, playback, planned path, surprise, robot description."""

from collections import deque
from collections.abc import Mapping

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image
from std_msgs.msg import String

from wam_core.contract import Future
from wam_core.data.messages import INSTRUCTION_TOPIC
from wam_core.data.predictions import action_chunk, predicted_future
from wam_core.errors import ContractError
from wam_core.evaluation.film_strip import Row, compare, draw
from wam_core.evaluation.surprise import Surprise, Watch, overlay
from wam_core.paths import share_path
from wam_core.robot.contract import load_robot
from wam_core.robot.kinematics import Kinematics
from wam_core.viewing.pictures import as_pictures
from wam_msgs.msg import ActionChunk as ActionChunkMessage
from wam_msgs.msg import PredictedFuture
from wam_msgs.msg import Surprise as SurpriseMessage
from wam_ros import conversion
from wam_ros.parameters import declare
from wam_ros.process import run_node
from wam_ros.qos import LATCHED, RELIABLE, SENSOR

PLAYBACK_HZ = 10.0
#: Futures that wait for their last instant.
LONGEST_WAIT = 8
#: Measured images kept per camera.
HISTORY = 64


class FuturesNode(Node):
    def __init__(self) -> None:
        super().__init__("wam_futures")
        name = declare(self, "robot", "panda_cell", "Robot file in config/robots, or its path", read_only=True)
        source = declare(self, "source", "/wam_inference", "Node whose futures and chunks are shown", read_only=True)
        resets = declare(
            self,
            "reset_topic",
            "/wam_cell/instruction",
            "A text on it says that the scene is another one",
            read_only=True,
        )
        self.robot = load_robot(name)
        self._kinematics = Kinematics(self.robot)
        self._measured: Mapping[str, deque[tuple[int, NDArray[np.uint8]]]] = {
            camera.name: deque(maxlen=HISTORY) for camera in self.robot.cameras
        }
        self._watch = Watch(self.robot)
        self._newest: Future | None = None
        self._model = ""
        self._waiting: deque[Future] = deque(maxlen=LONGEST_WAIT)
        self._since_ns = 0

        self._strip = self.create_publisher(Image, "~/film_strip", RELIABLE)
        self._comparison = self.create_publisher(Image, "~/comparison", RELIABLE)
        self._path = self.create_publisher(Path, "~/path", RELIABLE)
        self._surprise = self.create_publisher(SurpriseMessage, "~/surprise", RELIABLE)
        self._overlay = self.create_publisher(Image, "~/surprise_overlay", RELIABLE)
        names = [camera.name for camera in self.robot.cameras]
        self._playback = {name: self.create_publisher(Image, f"~/{name}/imagined", RELIABLE) for name in names}
        self._description = self.create_publisher(String, "/robot_description", LATCHED)
        self._description.publish(String(data=share_path(self.robot.urdf).read_text()))
        for camera in self.robot.cameras:
            self.create_subscription(Image, camera.topic, lambda m, c=camera: self._on_image(c.name, m), SENSOR)
        self.create_subscription(PredictedFuture, f"{source}/future", self._on_future, RELIABLE)
        self.create_subscription(ActionChunkMessage, f"{source}/action_chunk", self._on_chunk, RELIABLE)
        for topic in (INSTRUCTION_TOPIC, resets):
            self.create_subscription(String, topic, lambda message: self._forget(self._now_ns()), LATCHED)
        self.create_timer(1.0 / PLAYBACK_HZ, self._play)

    def _on_image(self, camera: str, message: Image) -> None:
        try:
            pixels = conversion.image_pixels(self.robot.camera(camera), message)
        except ContractError as error:
            self.get_logger().error(str(error), throttle_duration_sec=5.0)
            return
        stamp_ns = conversion.nanoseconds(message.header.stamp)
        if self._measured[camera] and stamp_ns < self._measured[camera][-1][0]:
            self._forget(stamp_ns)
        self._measured[camera].append((stamp_ns, pixels.copy()))
        self._publish_surprises(self._watch.see(camera, stamp_ns, pixels))

    def _forget(self, instant_ns: int) -> None:
        """Another task, another scene, or time was turned back: what was imagined until now will not come."""
        self._since_ns, self._newest = instant_ns, None
        self._waiting.clear()
        self._watch.forget()
        for images in self._measured.values():
            images.clear()

    def _now_ns(self) -> int:
        """The clock's time, or the newest image's where the clock lags behind."""
        newest = (images[-1][0] for images in self._measured.values() if images)
        return max(self.get_clock().now().nanoseconds, *newest, 0)

    def _on_future(self, message: PredictedFuture) -> None:
        try:
            future = predicted_future(message)
            shown = as_pictures(future)
        except ContractError as error:
            self.get_logger().error(str(error), throttle_duration_sec=5.0)
            return
        if future.stamp_ns <= self._since_ns:
            return
        self._newest, self._model = shown, message.model
        self._waiting.append(shown)
        self._watch.expect(future)
        # Imagining takes time: its first instants may have been measured already.
        for camera, images in self._measured.items():
            for stamp_ns, pixels in images:
                if stamp_ns > future.stamp_ns:
                    self._publish_surprises(self._watch.see(camera, stamp_ns, pixels))
        self._publish_strip(self._strip, shown)

    def _on_chunk(self, message: ActionChunkMessage) -> None:
        try:
            chunk = action_chunk(message)
        except ContractError:
            return  # the executor says what is wrong with it
        path = Path(header=conversion.header(chunk.stamp_ns, self.robot.base_frame))
        for k, (rotation, position) in enumerate(self._kinematics.tool_poses(chunk)):
            pose = PoseStamped(header=conversion.header(chunk.start_ns + k * chunk.step_ns, self.robot.base_frame))
            place, turn = pose.pose.position, pose.pose.orientation
            place.x, place.y, place.z = position.tolist()
            turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(rotation).as_quat().tolist()
            path.poses.append(pose)
        self._path.publish(path)

    def _play(self) -> None:
        """Show the frame that is predicted for now, and compare futures that have come to pass."""
        now_ns = self.get_clock().now().nanoseconds
        while self._waiting and _end_ns(self._waiting[0]) + self._tolerance_ns() < now_ns:
            self._publish_strip(self._comparison, self._waiting.popleft())
        if self._newest is None or _end_ns(self._newest) + self._newest.step_ns < now_ns:
            return
        future = self._newest
        k = int(np.clip(round((now_ns - future.stamp_ns) / future.step_ns) - 1, 0, len(future.values) - 1))
        for camera, (top, left, height, width) in future.regions.items():
            tile = future.values[k, top : top + height, left : left + width].astype(np.uint8)
            stamp_ns = future.stamp_ns + (k + 1) * future.step_ns
            frame = self.robot.camera(camera).frame
            self._playback[camera].publish(conversion.image_message(tile, frame, stamp_ns))

    def _publish_surprises(self, surprises: list[Surprise]) -> None:
        for surprise in surprises:
            self._surprise.publish(conversion.surprise_message(self.robot, surprise, self._model))
            if self._overlay.get_subscription_count():
                shown = overlay(surprise)
                picture = draw(list(shown), [Row(f"{surprise.value:.1f} x|as usual", list(shown.values()))])
                self._overlay.publish(conversion.image_message(picture, self.robot.base_frame, surprise.stamp_ns))

    def _publish_strip(self, publisher: Publisher, future: Future) -> None:
        instants = [future.stamp_ns + k * future.step_ns for k in range(len(future.values) + 1)]
        titles, rows = compare(future, [self._measured_at(instant) for instant in instants])
        picture = draw(titles, rows)
        publisher.publish(conversion.image_message(picture, self.robot.base_frame, future.stamp_ns))

    def _measured_at(self, instant_ns: int) -> dict[str, NDArray[np.uint8]]:
        """The image of each camera taken at that instant, where there is one."""
        found = {}
        for camera, images in self._measured.items():
            near = min(images, key=lambda entry: abs(entry[0] - instant_ns), default=None)
            if near is not None and abs(near[0] - instant_ns) <= self._tolerance_ns():
                found[camera] = near[1]
        return found

    def _tolerance_ns(self) -> int:
        return round(0.6e9 / self.robot.rates.camera_hz)


def _end_ns(future: Future) -> int:
    return future.stamp_ns + len(future.values) * future.step_ns


def main(args: list[str] | None = None) -> None:
    run_node(FuturesNode, args)


if __name__ == "__main__":
    main()
