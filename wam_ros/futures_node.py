"""wam_futures: what the model imagines and plans, for people: every kind of future, the plan, surprise."""

from collections import deque
from pathlib import Path as FilePath

from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray

from wam_core.contract import ActionChunk
from wam_core.data.messages import DESCRIPTION_TOPIC, INSTRUCTION_TOPIC
from wam_core.data.predictions import action_chunk, predicted_future
from wam_core.errors import ContractError
from wam_core.evaluation.comparison import Comparison, Watch
from wam_core.evaluation.film_strip import Row, draw
from wam_core.evaluation.surprise import Usual, judge, load_usual, overlay
from wam_core.paths import share_path
from wam_core.preprocess.raw import camera_image
from wam_core.realtime import give_way
from wam_core.robot.robot_file import load_robot
from wam_core.viewing.ghost import Ghost, Solid
from wam_core.viewing.pictures import parts
from wam_core.viewing.plan import Seam, ToolPath
from wam_msgs.msg import ActionChunk as ActionChunkMessage
from wam_msgs.msg import ModelInfo, PredictedFuture
from wam_msgs.msg import Surprise as SurpriseMessage
from wam_ros import conversion
from wam_ros.future_displays import FutureDisplays
from wam_ros.markers import plan_markers
from wam_ros.parameters import declare
from wam_ros.polled import PolledSubscription
from wam_ros.process import run_node
from wam_ros.qos import COMMAND as NEWEST
from wam_ros.qos import LATCHED, RELIABLE, SENSOR
from wam_ros.sight import Sight

PLAYBACK_HZ = 10.0
#: How much larger than it is compared a picture of surprises is shown.
OVERLAY_ZOOM = 4
#: Seams that stay to be seen.
SEAMS = 12


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
        self._sight, self._watch = Sight(self.robot), Watch(self.robot)
        self._ghost = Ghost(self.robot)
        self._seams: deque[Seam] = deque(maxlen=SEAMS)
        self._displays: dict[str, FutureDisplays] = {}
        self._model = ""
        self._usual: Usual | None = None
        self._since_ns = 0

        self._path = self.create_publisher(Path, "~/path", RELIABLE)
        self._plan = self.create_publisher(MarkerArray, "~/plan", RELIABLE)
        self._surprise = self.create_publisher(SurpriseMessage, "~/surprise", RELIABLE)
        self._overlay = self.create_publisher(Image, "~/surprise_overlay", RELIABLE)
        self._description = self.create_publisher(String, DESCRIPTION_TOPIC, LATCHED)
        self._description.publish(String(data=share_path(self.robot.urdf).read_text()))
        for camera in self.robot.cameras:
            kind = conversion.IMAGE_TYPES[camera.transport]
            self.create_subscription(kind, camera.topic, lambda m, c=camera: self._on_image(c.name, m), SENSOR)
        # Joint states come hundreds of times a second; for what a person sees the newest at each picture is enough.
        self._states = PolledSubscription(self, JointState, self.robot.topics.joint_states, NEWEST)
        self.create_subscription(PredictedFuture, f"{source}/future", self._on_future, RELIABLE)
        self.create_subscription(ActionChunkMessage, f"{source}/action_chunk", self._on_chunk, RELIABLE)
        self.create_subscription(ModelInfo, f"{source}/model", self._on_model, LATCHED)
        for topic in (INSTRUCTION_TOPIC, resets):
            self.create_subscription(String, topic, lambda message: self._forget(self._now_ns()), LATCHED)
        self.create_timer(1.0 / PLAYBACK_HZ, self._play)

    def _on_image(self, camera: str, message: Image | CompressedImage) -> None:
        try:
            pixels = camera_image(self.robot.camera(camera), message).rgb()
        except ContractError as error:
            self.get_logger().error(str(error), throttle_duration_sec=5.0)
            return
        stamp_ns = conversion.nanoseconds(message.header.stamp)
        pixels = pixels.copy()
        if not self._sight.see(camera, stamp_ns, pixels):
            self._forget_imagination(stamp_ns)
        self._feel()
        self._publish_surprises(self._watch.see(camera, stamp_ns, pixels, self._sight.tool_at(stamp_ns)))

    def _on_model(self, message: ModelInfo) -> None:
        """Another model: what is usual for it lies beside its weights, where this machine has them."""
        try:
            self._usual = load_usual(FilePath(message.checkpoint), message.digest)
        except ContractError as error:
            self._usual = None
            self.get_logger().warning(f"surprise has no scale: {error}")

    def _forget(self, instant_ns: int) -> None:
        """Another task or another scene."""
        self._forget_imagination(instant_ns)
        self._sight.forget()

    def _forget_imagination(self, instant_ns: int) -> None:
        """What was imagined until now will not come."""
        self._since_ns = instant_ns
        self._watch.forget()
        self._sight.plans.forget()
        self._seams.clear()
        for display in self._displays.values():
            display.forget()

    def _now_ns(self) -> int:
        """The clock's time, or the newest image's where the clock lags behind."""
        return max(self.get_clock().now().nanoseconds, self._sight.newest_ns())

    def _on_future(self, message: PredictedFuture) -> None:
        try:
            future = predicted_future(message)
            if future.stamp_ns <= self._since_ns:
                return
            layers = parts(future)
            for layer in layers:
                self._display(layer.substrate).show(layer)
        except ContractError as error:
            self.get_logger().error(str(error), throttle_duration_sec=5.0)
            return
        self._model = message.model
        for layer in layers:
            self._publish_surprises(self._watch.expect(layer))

    def _display(self, kind: str) -> FutureDisplays:
        if kind not in self._displays:
            self._displays[kind] = FutureDisplays(self, self.robot, self._sight, kind)
        return self._displays[kind]

    def _on_chunk(self, message: ActionChunkMessage) -> None:
        try:
            chunk = action_chunk(message)
        except ContractError:
            return  # the executor says what is wrong with it
        path = self._sight.plans.take(chunk)
        if path is None:
            return
        if path.seam is not None:
            self._seams.append(path.seam)
        header = conversion.header(path.stamp_ns, self.robot.base_frame)
        self._path.publish(self._poses(path))
        if self._plan.get_subscription_count():
            solids = self._at_the_end(chunk)
            self._plan.publish(plan_markers(header, path, self._seams, solids))

    def _at_the_end(self, chunk: ActionChunk) -> list[Solid]:
        joints = self._sight.joints()
        end = None if joints is None else self._ghost.posture(chunk, joints)
        return [] if end is None else self._ghost.solids(end)

    def _poses(self, path: ToolPath) -> Path:
        message = Path(header=conversion.header(path.stamp_ns, self.robot.base_frame))
        for stamp_ns, rotation, position in zip(path.stamps_ns, path.rotations, path.positions, strict=True):
            pose = PoseStamped(header=conversion.header(stamp_ns, self.robot.base_frame))
            place, turn = pose.pose.position, pose.pose.orientation
            place.x, place.y, place.z = position.tolist()
            turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(rotation).as_quat().tolist()
            message.poses.append(pose)
        return message

    def _feel(self) -> None:
        message = self._states.take()
        try:
            if message is not None:
                self._sight.feel(conversion.robot_state(self.robot, message))
        except ContractError:
            return  # wam_inference says what is wrong with it

    def _play(self) -> None:
        self._feel()
        now_ns = self.get_clock().now().nanoseconds
        for display in self._displays.values():
            display.play(now_ns)

    def _publish_surprises(self, comparisons: list[Comparison]) -> None:
        for comparison in comparisons:
            surprise = judge(comparison, self._usual)
            self._surprise.publish(conversion.surprise_message(self.robot, surprise, self._model))
            if self._overlay.get_subscription_count():
                shown = overlay(surprise)
                picture = draw(list(shown), [Row(f"surprise|{surprise.value:.1f}", list(shown.values()))], OVERLAY_ZOOM)
                stamp_ns = comparison.stamp_ns
                self._overlay.publish(conversion.image_message(picture, self.robot.base_frame, stamp_ns))


def main(args: list[str] | None = None) -> None:
    print(f"wam_futures: {give_way()}", flush=True)
    run_node(FuturesNode, args)


if __name__ == "__main__":
    main()
