"""wam_recorder: the robot's topics as MCAP recordings, byte for byte as they were sent."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, JointState
from std_msgs.msg import Bool, String

from wam_core.data import messages
from wam_core.data.calibration import check_camera_info
from wam_core.data.recorder import COMPRESSIONS, MODEL_RECORD, OUTCOME_RECORD
from wam_core.data.series import Series
from wam_core.errors import ContractError
from wam_core.realtime import favour_process
from wam_core.robot.contract import Camera, RobotContract
from wam_core.robot.robot_file import load_robot
from wam_msgs.msg import (
    ActionChunk,
    ExecutorStatus,
    ModelInfo,
    ModelInput,
    PredictedFuture,
    SafetyEvent,
    Surprise,
    TactileArray,
)
from wam_msgs.srv import LabelRecording, StartRecording, StopRecording
from wam_ros import conversion, diagnostics
from wam_ros.diagnostics import Diagnostics
from wam_ros.outputs import OUTPUTS
from wam_ros.parameters import declare
from wam_ros.polled import PolledSubscription
from wam_ros.process import run_node
from wam_ros.qos import LATCHED, RECORDED_RELIABLE, RECORDED_SENSOR

DRAIN_HZ, DIAGNOSTICS_HZ = 25.0, 1.0
#: What has been written reaches the operating system at least this often, whatever the stamps say (s of wall time).
FLUSH_S = 0.5
#: Most memory that one camera's messages may wait in (bytes); and the fewest that may wait.
QUEUE_BYTES, SHORTEST_QUEUE = 64 * 2**20, 16
#: Less free disk than this is a warning (bytes).
LITTLE_DISK = 2**30
#: Outcome as a person says it -> the ``success`` of the outcome record.
OUTCOMES: Mapping[str, Mapping[str, str]] = {"success": {"success": "true"}, "failure": {"success": "false"}, "": {}}


@dataclass
class Tap:
    """One recorded topic, and how many of its messages came and were lost on the way."""

    topic: str
    type_name: str
    subscription: PolledSubscription
    latched: bool
    received: int = 0
    dropped: int = 0
    sequence: int | None = None

    def count(self, sequence: int | None) -> None:
        """Count a message; a jump in its publisher's numbering is what was lost."""
        self.received += 1
        if sequence is not None and self.sequence is not None and sequence > self.sequence:
            self.dropped += sequence - self.sequence - 1
        self.sequence = sequence


def recorded_topics(robot: RobotContract, senses: bool) -> Iterator[tuple[str, type, QoSProfile]]:
    """Topic, type and quality of service of everything that a recording holds."""
    for sense in robot.senses if senses else ():
        yield sense.topic, conversion.sense_type(sense), _shortened(RECORDED_SENSOR, 128)
    yield robot.topics.joint_states, JointState, RECORDED_SENSOR
    yield robot.topics.joint_command, OUTPUTS[robot.command].message, RECORDED_SENSOR
    yield robot.topics.wrench, WrenchStamped, RECORDED_SENSOR
    yield robot.topics.tactile, TactileArray, RECORDED_SENSOR
    for camera in robot.cameras:
        depth = QUEUE_BYTES // (3 * camera.height * camera.width)
        yield camera.topic, conversion.IMAGE_TYPES[camera.transport], _shortened(RECORDED_SENSOR, depth)
        if camera.camera_info:
            yield camera.camera_info, CameraInfo, RECORDED_SENSOR
    yield messages.INSTRUCTION_TOPIC, String, LATCHED
    yield messages.MODEL_TOPIC, ModelInfo, LATCHED
    yield messages.INPUT_TOPIC, ModelInput, RECORDED_RELIABLE
    yield messages.POLICY_TOPIC, ActionChunk, RECORDED_RELIABLE
    yield messages.DEMONSTRATION_TOPIC, ActionChunk, RECORDED_RELIABLE
    yield messages.FUTURE_TOPIC, PredictedFuture, _shortened(RECORDED_RELIABLE, 32)
    yield messages.SURPRISE_TOPIC, Surprise, RECORDED_RELIABLE
    yield "/wam_executor/status", ExecutorStatus, RECORDED_RELIABLE
    yield "/wam_executor/safety_events", SafetyEvent, RECORDED_RELIABLE
    yield "/wam_cell/success", Bool, LATCHED


class RecorderNode(Node):
    def __init__(self) -> None:
        super().__init__("wam_recorder")
        name = declare(self, "robot", "panda_cell", "Robot file in config/robots, or its path", read_only=True)
        declare(self, "folder", "runs/recordings", "Where recordings are put")
        kinds = tuple(COMPRESSIONS)
        declare(self, "compression", "zstd", "Compression of the next recording", choices=kinds)
        declare(self, "senses", False, "Record depth, masks, poses, sound and touch images as well")
        declare(self, "part_seconds", 600.0, "Longest part of a recording; a new file follows", (1.0, 86_400.0))
        declare(self, "part_megabytes", 2000, "Largest part of a recording; a new file follows", (1, 1_000_000))
        self.robot = load_robot(name)
        self._series: Series | None = None
        self._folder, self._failure, self._flushed_s = Path(), "", 0.0
        self._outcome: dict[str, str] = {}
        self._taps: list[Tap] = []
        self._calibrated = {c.camera_info: c for c in self.robot.cameras if c.camera_info}
        self._uncalibrated: dict[str, str] = {}
        self.create_service(StartRecording, "~/start", self._on_start)
        self.create_service(StopRecording, "~/stop", self._on_stop)
        self.create_service(LabelRecording, "~/label", self._on_label)
        self._diagnostics = Diagnostics(self, self.robot.name)
        self.create_timer(1.0 / DRAIN_HZ, self._drain)
        self.create_timer(1.0 / DIAGNOSTICS_HZ, self._publish_diagnostics)

    def stop(self) -> None:
        """End of the process: nothing recorded is lost."""
        self._drain()
        self._close()

    def _on_start(self, request: StartRecording.Request, response: StartRecording.Response) -> StartRecording.Response:
        self._drain()
        self._close()
        value = {key: parameter.value for key, parameter in self.get_parameters_by_prefix("").items()}
        metadata = {key: getattr(request, key) for key in ("task", "seed", "note") if getattr(request, key)}
        self._folder = Path(value["folder"])
        path = self._folder / f"{request.name or time.strftime('%Y%m%d_%H%M%S')}.mcap"
        self._outcome, self._failure, self._flushed_s, self._uncalibrated = {}, "", time.monotonic(), {}
        longest_ns, most_bytes = round(value["part_seconds"] * 1e9), value["part_megabytes"] * 10**6
        try:
            self._series = Series(path, self.robot, metadata, longest_ns, most_bytes, value["compression"])
            if request.instruction:
                told = messages.encode_text(request.instruction)
                now_ns = self.get_clock().now().nanoseconds
                self._series.write(messages.INSTRUCTION_TOPIC, told.type_name, told.data, now_ns, latched=True)
        except OSError as error:
            self._give_up(path, error)
            response.message = self._failure
            return response
        self._taps = [
            Tap(
                topic,
                _type_name(kind),
                PolledSubscription(self, kind, topic, qos, raw=True),
                qos.durability == DurabilityPolicy.TRANSIENT_LOCAL,
            )
            for topic, kind, qos in recorded_topics(self.robot, value["senses"])
            if not (request.instruction and topic == messages.INSTRUCTION_TOPIC)
        ]
        response.success, response.path = True, str(self._series.paths[0])
        self.get_logger().info(f"recording {response.path}")
        return response

    def _on_stop(self, request: StopRecording.Request, response: StopRecording.Response) -> StopRecording.Response:
        self._drain()
        series, taps = self._series, self._taps
        if series is None:
            response.message = self._failure or "nothing is being recorded"
            return response
        unheard = [f"nothing received on {t.topic}" for t in taps if t.topic in self._calibrated and not t.received]
        self._close()
        response.paths = [str(path) for path in series.paths]
        response.received = sum(tap.received for tap in taps)
        response.dropped = sum(tap.dropped for tap in taps)
        response.success = not self._failure
        dropped = {tap.topic: tap.dropped for tap in taps if tap.dropped}
        counted = f"{response.received} messages, dropped: {dropped or 'none'}"
        response.message = self._failure or "; ".join((counted, *self._uncalibrated.values(), *unheard))
        self.get_logger().info(f"{series.paths[0]}: {response.message}")
        return response

    def _on_label(self, request: LabelRecording.Request, response: LabelRecording.Response) -> LabelRecording.Response:
        series = self._series
        if series is None:
            response.message = self._failure or "nothing is being recorded"
        elif request.outcome not in OUTCOMES:
            response.message = f"outcome: got {request.outcome!r}, expected success, failure or nothing"
        else:
            self._outcome |= OUTCOMES[request.outcome]
            if request.note:
                before = self._outcome.get("note")
                self._outcome["note"] = f"{before}\n{request.note}" if before else request.note
            response.success = self._attempt(lambda: series.note(OUTCOME_RECORD, self._outcome))
            response.message = self._failure
        return response

    def _drain(self) -> None:
        """Write what has arrived. It is stamped with the ROS time at which it arrived."""
        if self._series is not None:
            self._attempt(self._write_all)

    def _write_all(self) -> None:
        assert self._series is not None
        ros_ns, wall_ns = self.get_clock().now().nanoseconds, time.time_ns()
        for tap in self._taps:
            while (taken := tap.subscription.take_with_info()) is not None:
                data, info = taken
                tap.count(info.get("publication_sequence_number"))
                age_ns = max(wall_ns - info["received_timestamp"], 0)
                self._series.write(tap.topic, tap.type_name, data, ros_ns - age_ns, tap.latched)
                if tap.topic == messages.MODEL_TOPIC:
                    record = conversion.model_record(deserialize_message(data, ModelInfo))
                    self._series.note(MODEL_RECORD, record.to_metadata())
                elif tap.topic in self._calibrated:
                    self._check(self._calibrated[tap.topic], deserialize_message(data, CameraInfo))
        if time.monotonic() - self._flushed_s >= FLUSH_S:
            self._series.flush()
            self._flushed_s = time.monotonic()

    def _check(self, camera: Camera, info: CameraInfo) -> None:
        """The recording carries the robot file's calibration; where the driver has another, that must be said."""
        try:
            check_camera_info(camera, info)
        except ContractError as error:
            self._uncalibrated[camera.name] = str(error)
            self.get_logger().error(str(error), throttle_duration_sec=5.0)

    def _close(self) -> None:
        series = self._series
        if series is not None:
            self._outcome |= {f"received{t.topic}": str(t.received) for t in self._taps}
            self._outcome |= {f"dropped{t.topic}": str(t.dropped) for t in self._taps}
            if self._attempt(lambda: series.close(self._outcome)):
                self._let_go()

    def _attempt(self, write: Callable[[], None]) -> bool:
        """Whether it was written; where it cannot be, the recording ends with what was written before."""
        assert self._series is not None
        try:
            write()
        except OSError as error:
            self._series.abandon()
            self._give_up(self._series.paths[-1], error)
            return False
        return True

    def _give_up(self, path: Path, error: OSError) -> None:
        self._failure = f"{path}: {os.strerror(error.errno or 0)}; the recording ended there"
        self.get_logger().error(self._failure)
        self._let_go()

    def _let_go(self) -> None:
        for tap in self._taps:
            tap.subscription.destroy()
        self._taps, self._series = [], None

    def _publish_diagnostics(self) -> None:
        counts: Counter[str] = Counter()
        for tap in self._taps:
            counts[f"{tap.topic} received"], counts[f"{tap.topic} dropped"] = tap.received, tap.dropped
        dropped = sum(tap.dropped for tap in self._taps)
        if self._series is None:
            level = diagnostics.ERROR if self._failure else diagnostics.OK
            self._diagnostics.publish(level, self._failure or "not recording", counts)
            return
        free, what = shutil.disk_usage(self._folder).free, f"recording {self._series.paths[-1]}"
        values = {"free disk (GB)": free / 1e9, **counts}
        if self._uncalibrated:
            self._diagnostics.publish(diagnostics.ERROR, next(iter(self._uncalibrated.values())), values)
        elif free < LITTLE_DISK:
            self._diagnostics.publish(diagnostics.WARN, f"{what}: {free / 1e9:.1f} GB of disk left", values)
        elif dropped:
            self._diagnostics.publish(diagnostics.WARN, f"{what}: {dropped} messages dropped", values)
        else:
            self._diagnostics.publish(diagnostics.OK, what, values)


def _shortened(profile: QoSProfile, depth: int) -> QoSProfile:
    return QoSProfile(
        depth=max(SHORTEST_QUEUE, min(depth, profile.depth)),
        history=profile.history,
        reliability=profile.reliability,
        durability=profile.durability,
    )


def _type_name(kind: type) -> str:
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"


def main(args: list[str] | None = None) -> None:
    print(f"wam_recorder: {favour_process(-5)}", flush=True)
    run_node(RecorderNode, args)


if __name__ == "__main__":
    main()
