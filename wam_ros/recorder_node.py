"""wam_recorder: the robot's topics as MCAP episodes, byte for byte as they were sent."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool, Trigger

from wam_core.data.messages import DEMONSTRATION_TOPIC, INSTRUCTION_TOPIC, POLICY_TOPIC
from wam_core.data.recorder import Recorder
from wam_core.robot.contract import RobotContract, load_robot
from wam_msgs.msg import ActionChunk, ExecutorStatus, PredictedFuture, SafetyEvent, TactileArray
from wam_ros import diagnostics
from wam_ros.diagnostics import Diagnostics
from wam_ros.parameters import declare
from wam_ros.polled import PolledSubscription
from wam_ros.process import run_node
from wam_ros.qos import LATCHED, RECORDED_RELIABLE, RECORDED_SENSOR
from wam_ros.realtime import favour_process

DRAIN_HZ, DIAGNOSTICS_HZ = 25.0, 1.0


@dataclass
class Tap:
    """One recorded topic, and how many of its messages came and were lost on the way."""

    topic: str
    type_name: str
    subscription: PolledSubscription
    received: int = 0
    dropped: int = 0
    sequence: int | None = None

    def count(self, sequence: int | None) -> None:
        """Count a message; a jump in its publisher's numbering is what was lost."""
        self.received += 1
        if sequence is not None and self.sequence is not None and sequence > self.sequence:
            self.dropped += sequence - self.sequence - 1
        self.sequence = sequence


def recorded_topics(robot: RobotContract) -> Iterator[tuple[str, type, QoSProfile]]:
    """Topic, type and quality of service of everything that an episode holds."""
    yield robot.topics.joint_states, JointState, RECORDED_SENSOR
    yield robot.topics.joint_command, JointState, RECORDED_SENSOR
    yield robot.topics.wrench, WrenchStamped, RECORDED_SENSOR
    yield robot.topics.tactile, TactileArray, RECORDED_SENSOR
    for camera in robot.cameras:
        yield camera.topic, Image, RECORDED_SENSOR
    yield INSTRUCTION_TOPIC, String, LATCHED
    yield POLICY_TOPIC, ActionChunk, RECORDED_RELIABLE
    yield DEMONSTRATION_TOPIC, ActionChunk, RECORDED_RELIABLE
    yield "/wam_inference/future", PredictedFuture, RECORDED_RELIABLE
    yield "/wam_executor/status", ExecutorStatus, RECORDED_RELIABLE
    yield "/wam_executor/safety_events", SafetyEvent, RECORDED_RELIABLE
    yield "/wam_cell/success", Bool, LATCHED


class RecorderNode(Node):
    def __init__(self) -> None:
        super().__init__("wam_recorder")
        name = declare(self, "robot", "panda_cell", "Robot file in config/robots, or its path", read_only=True)
        declare(self, "folder", "runs/recordings", "Where recordings are put")
        declare(self, "episode", "", "Name of the next recording; empty: the time it starts")
        declare(self, "task", "", "Task of the next recording, for its metadata")
        declare(self, "seed", "", "Seed of the next recording, for its metadata")
        declare(self, "note", "", "Anything worth knowing about the next recording, for its metadata")
        self.robot = load_robot(name)
        self._recorder: Recorder | None = None
        self._path = Path()
        self._outcome: dict[str, str] = {}
        self._taps: list[Tap] = []
        self.create_service(Trigger, "~/start", self._on_start)
        self.create_service(Trigger, "~/stop", self._on_stop)
        self.create_service(SetBool, "~/label", self._on_label)
        self._diagnostics = Diagnostics(self, self.robot.name)
        self.create_timer(1.0 / DRAIN_HZ, self._drain)
        self.create_timer(1.0 / DIAGNOSTICS_HZ, self._publish_diagnostics)

    def stop(self) -> None:
        """End of the process: nothing recorded is lost."""
        self._drain()
        self._close()

    def _on_start(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._drain()
        self._close()
        value = {key: parameter.value for key, parameter in self.get_parameters_by_prefix("").items()}
        name = value["episode"] or time.strftime("%Y%m%d_%H%M%S")
        self._path = Path(value["folder"]) / f"{name}.mcap"
        metadata = {key: str(value[key]) for key in ("task", "seed", "note") if value[key]}
        self._outcome = {}
        try:
            self._recorder = Recorder(self._path, self.robot, metadata)
        except OSError as error:
            response.message = f"{self._path}: {error.strerror}"
            return response
        self._taps = [
            Tap(topic, _type_name(kind), PolledSubscription(self, kind, topic, qos, raw=True))
            for topic, kind, qos in recorded_topics(self.robot)
        ]
        response.success, response.message = True, str(self._path)
        self.get_logger().info(f"recording {self._path}")
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._drain()
        if self._recorder is None:
            response.message = "nothing is being recorded"
            return response
        dropped = {tap.topic: tap.dropped for tap in self._taps if tap.dropped}
        received = sum(tap.received for tap in self._taps)
        self._close()
        response.success = True
        response.message = f"{self._path}: {received} messages, dropped: {dropped or 'none'}"
        self.get_logger().info(response.message)
        return response

    def _on_label(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Say whether the episode being recorded is a success."""
        if self._recorder is None:
            response.message = "nothing is being recorded"
            return response
        self._outcome["success"] = "true" if request.data else "false"
        response.success = True
        return response

    def _drain(self) -> None:
        """Write what has arrived. It is stamped with the ROS time at which it arrived."""
        if self._recorder is None:
            return
        ros_ns, wall_ns = self.get_clock().now().nanoseconds, time.time_ns()
        try:
            for tap in self._taps:
                while (taken := tap.subscription.take_with_info()) is not None:
                    data, info = taken
                    tap.count(info.get("publication_sequence_number"))
                    age_ns = max(wall_ns - info["received_timestamp"], 0)
                    self._recorder.write(tap.topic, tap.type_name, data, ros_ns - age_ns)
        except OSError as error:
            self.get_logger().error(f"{self._path}: {error.strerror}; the recording ends here")
            self._abandon()

    def _close(self) -> None:
        if self._recorder is not None:
            self._outcome |= {f"received{t.topic}": str(t.received) for t in self._taps}
            self._outcome |= {f"dropped{t.topic}": str(t.dropped) for t in self._taps}
            self._recorder.close(self._outcome)
        self._abandon()

    def _abandon(self) -> None:
        for tap in self._taps:
            tap.subscription.destroy()
        self._taps, self._recorder = [], None

    def _publish_diagnostics(self) -> None:
        counts: Counter[str] = Counter()
        for tap in self._taps:
            counts[f"{tap.topic} received"], counts[f"{tap.topic} dropped"] = tap.received, tap.dropped
        dropped = sum(tap.dropped for tap in self._taps)
        if self._recorder is None:
            self._diagnostics.publish(diagnostics.OK, "not recording", counts)
        elif dropped:
            self._diagnostics.publish(diagnostics.WARN, f"recording {self._path}: {dropped} messages dropped", counts)
        else:
            self._diagnostics.publish(diagnostics.OK, f"recording {self._path}", counts)


def _type_name(kind: type) -> str:
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"


def main(args: list[str] | None = None) -> None:
    print(f"wam_recorder: {favour_process(-5)}", flush=True)
    run_node(RecorderNode, args)


if __name__ == "__main__":
    main()
