"""A camera that bends lines over ROS: the model of wam_inference sees straight pictures, or says why it sees none."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from distorted import GLASSES, robot_behind, sent_by
from live_graph import ROBOT, Live, live_graph
from sensor_msgs.msg import CameraInfo, Image, JointState
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.cell.cell import Cell
from wam_core.contract import RobotState
from wam_core.data.reader import read_episode
from wam_core.data.recording import Recording
from wam_core.evaluation.replay import replay
from wam_core.preprocess.raw import raw_image
from wam_core.preprocess.undistort import undistortion_of
from wam_core.provenance import image_digest
from wam_core.robot.contract import Camera, RobotContract
from wam_core.training.checkpoint import load_checkpoint, save_checkpoint
from wam_msgs.msg import ModelInput
from wam_msgs.srv import StartRecording, StopRecording
from wam_ros import conversion
from wam_ros.qos import SENSOR

TOLD = "reach the red ball"


def robot_seen_through_glass() -> RobotContract:
    """The cell's arm with a webcam in front whose driver publishes its calibration, and straight cameras beside."""
    bent = robot_behind(ROBOT, replace(GLASSES["webcam"], camera_info="/front/camera_info"), 128, 128)
    return replace(ROBOT, cameras=(bent.camera("front"), *ROBOT.cameras[1:]))


def published(camera: Camera) -> CameraInfo:
    assert camera.lens is not None and camera.distortion is not None
    lens, distortion = camera.lens, camera.distortion
    matrix = [lens.fx, 0.0, lens.cx, 0.0, lens.fy, lens.cy, 0.0, 0.0, 1.0]
    return CameraInfo(
        height=camera.height,
        width=camera.width,
        distortion_model=distortion.model,
        d=list(distortion.coefficients),
        k=matrix,
    )


@dataclass
class Arm:
    """An arm at rest with its cameras: what they would send of the cell, at 10 Hz."""

    live: Live
    robot: RobotContract
    info: CameraInfo | None = None

    def __post_init__(self) -> None:
        node, cell = self.live.client.node, Cell(ROBOT)
        cell.reset("reach", 1)
        self.straight = {camera.name: cell.image(camera.name) for camera in ROBOT.cameras}
        front = self.robot.camera("front")
        self.sent = {**self.straight, "front": sent_by(front, self.straight["front"])}
        self._images = {c: node.create_publisher(Image, c.topic, SENSOR) for c in self.robot.cameras}
        self._states = node.create_publisher(JointState, ROBOT.topics.joint_states, SENSOR)
        self._infos = node.create_publisher(CameraInfo, front.camera_info, SENSOR)
        node.create_timer(0.1, self._see)
        node.create_timer(0.02, self._feel)

    def _see(self) -> None:
        now_ns = self.live.client.node.get_clock().now().nanoseconds
        if self.info is not None:
            self.info.header.stamp = conversion.time_message(now_ns)
            self._infos.publish(self.info)
        for camera, publisher in self._images.items():
            publisher.publish(conversion.image_message(self.sent[camera.name], camera.frame, now_ns))

    def _feel(self) -> None:
        now_ns = self.live.client.node.get_clock().now().nanoseconds
        state = RobotState(now_ns, np.append(ROBOT.home, 0.04), np.zeros(len(ROBOT.joint_names)))
        self._states.publish(conversion.joint_state_message(ROBOT, state, now_ns))


def start_recording(live: Live, name: str) -> None:
    started = live.client.call(StartRecording, "/wam_recorder/start", StartRecording.Request(name=name))
    assert started.success, started.message
    live.client.spin(1.0)  # its subscriptions are found


def stop_recording(live: Live) -> StopRecording.Response:
    stopped: StopRecording.Response = live.client.call(StopRecording, "/wam_recorder/stop", StopRecording.Request())
    assert stopped.success, stopped.message
    return stopped


@pytest.mark.slow
def test_the_policy_receives_the_straight_picture_or_none(tmp_path: Path) -> None:
    """A model that was trained on straight pictures was given bent ones: by a driver that was calibrated anew, or
    not at all, or in a recording that did not say by what."""
    robot = robot_seen_through_glass()
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(robot.to_dict(), sort_keys=False))
    checkpoint = load_checkpoint(make_tiny_checkpoint(tmp_path / "tiny"))
    save_checkpoint(tmp_path / "model", replace(checkpoint, robot=robot.straight()))
    with live_graph("wam_inference", "wam_recorder", sim=False, robot=str(tmp_path / "robot.yaml")) as live:
        arm, inputs = Arm(live, robot), list[ModelInput]()
        live.client.listen(ModelInput, "/wam_inference/input", inputs.append)
        live.client.set_parameters("wam_recorder", {"folder": str(tmp_path)})
        live.client.set_parameters("wam_inference", {"model": str(tmp_path / "model")})
        live.activate("wam_inference")
        assert live.client.set_instruction(TOLD).success
        start_recording(live, "unknown")
        assert "nothing received on /front/camera_info" in stop_recording(live).message
        live.client.wait_until(lambda: "nothing received on /front/camera_info" in live.said("wam_inference"), "a word")
        arm.info = published(robot.camera("front"))
        arm.info.d[0] += 0.01
        live.client.wait_until(lambda: "front.camera_info.d: got" in live.said("wam_inference"), "another calibration")
        start_recording(live, "other")
        assert "front.camera_info.d: got" in stop_recording(live).message
        assert not live.chunks and not inputs
        assert live.client.set_instruction("").success
        arm.info = published(robot.camera("front"))
        start_recording(live, "bent")
        assert live.client.set_instruction(TOLD).success
        live.client.wait_until(lambda: len(live.chunks) >= 2 and len(inputs) >= 2, "chunks")
        assert live.client.set_instruction("").success
        live.client.spin(0.3)
        stopped = stop_recording(live)
    assert "camera_info" not in stopped.message

    made_straight = undistortion_of(robot.camera("front"))
    assert made_straight is not None
    seen = replace(raw_image(arm.sent["front"], "front"), undistortion=made_straight).rgb()
    for used in inputs:
        digests = dict(zip(used.cameras, used.image_digests, strict=True))
        assert digests["front"] == image_digest(seen) != image_digest(arm.sent["front"])
        assert digests["wrist"] == image_digest(arm.straight["wrist"])
    inner = (slice(8, -8), slice(8, -8))
    off, bent = (np.abs(x.astype(int) - arm.straight["front"])[inner].mean() for x in (seen, arm.sent["front"]))
    assert off < bent / 3

    path = Path(stopped.paths[0])
    found = replay(path, str(tmp_path / "model"))
    assert found.equal and len(found.chunks) >= 2, [c.parted for c in found.chunks]
    assert np.array_equal(read_episode(path).images["front"][0], seen)
    assert robot.camera("front").camera_info in {m.topic for m in Recording(path).messages()}

