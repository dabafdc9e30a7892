"""wam_inference with broken sensors: each fault stops the chunks, is named in log and diagnostics, and is forgiven.

The sensors are published by the test itself, so that each stream can be broken on its own.
"""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from live_graph import ROBOT, Live, live_graph
from sensor_msgs.msg import Image, JointState
from tiny import tiny_senses
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.contract import RobotState
from wam_core.data.senses import encode_sense
from wam_msgs.msg import ExecutorStatus
from wam_msgs.srv import LoadModel
from wam_ros import conversion
from wam_ros.graph_client import ACTIVATE, CONFIGURE
from wam_ros.qos import RELIABLE, SENSOR

CAMERAS = ("front", "wrist")
STATES_PER_IMAGE = 5


class Sensors(threading.Thread):
    """A robot's streams at the contract's camera rate; ``image`` and ``state`` may be replaced to break them.

    Nothing is felt or heard, and before the cameras is a wall; of that only what somebody asks for is sent.
    """

    def __init__(self, live: Live) -> None:
        super().__init__(daemon=True)
        node = live.client.node
        self._cameras = {n: node.create_publisher(Image, ROBOT.camera(n).topic, SENSOR) for n in CAMERAS}
        self._states = node.create_publisher(JointState, ROBOT.topics.joint_states, SENSOR)
        self._senses = {s: node.create_publisher(conversion.sense_type(s), s.topic, SENSOR) for s in ROBOT.senses}
        self.felt = tiny_senses(ROBOT, [sense.name for sense in ROBOT.senses])
        self.running = True
        self.mend()

    def mend(self) -> None:
        self.image, self.state = self.good_image, self.good_state

    @staticmethod
    def good_image(name: str, stamp_ns: int) -> Image | None:
        camera = ROBOT.camera(name)
        pixels = np.full((camera.height, camera.width, 3), 90, np.uint8)
        return conversion.image_message(pixels, camera.frame, stamp_ns)

    @staticmethod
    def good_state(stamp_ns: int) -> JointState | None:
        position = np.append(ROBOT.home, ROBOT.gripper.open)
        state = RobotState(stamp_ns, position, np.zeros_like(position))
        return conversion.joint_state_message(ROBOT, state, stamp_ns)

    def run(self) -> None:
        while self.running:
            for k in range(STATES_PER_IMAGE):
                state = self.state(time.time_ns())
                if state is not None:
                    self._states.publish(state)
                if k == 0:
                    stamp_ns = time.time_ns()
                    images = {name: self.image(name, stamp_ns) for name in CAMERAS}
                    for name, image in images.items():
                        if image is not None:
                            self._cameras[name].publish(image)
                    for sense in [s for s, p in self._senses.items() if p.get_subscription_count()]:
                        sent = encode_sense(ROBOT, sense, self.felt[sense.name], stamp_ns)
                        self._senses[sense].publish(sent.data)
                time.sleep(1.0 / ROBOT.rates.camera_hz / STATES_PER_IMAGE)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    checkpoint = make_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))
    with live_graph("wam_inference", sim=False) as graph:
        graph.checkpoint = checkpoint
        graph.diagnostics = {}

        def on_diagnostics(message: DiagnosticArray) -> None:
            graph.diagnostics |= {status.name: status for status in message.status}

        graph.client.listen(DiagnosticArray, "/diagnostics", on_diagnostics)
        yield graph


@pytest.fixture(scope="module")
def sensors(live: Live) -> Iterator[Sensors]:
    live.client.set_parameters("wam_inference", {"model": str(live.checkpoint), "replan_steps": 1})
    live.activate("wam_inference")
    sensors = Sensors(live)
    sensors.start()
    yield sensors
    sensors.running = False
    sensors.join()


@pytest.fixture(autouse=True)
def running(request: pytest.FixtureRequest, live: Live) -> Iterator[None]:
    """Where a test uses sensors: chunks flow before it, and flow again after its fault is gone."""
    if "sensors" not in request.fixturenames:
        yield
        return
    sensors: Sensors = request.getfixturevalue("sensors")
    assert live.client.set_instruction("reach the red ball").success
    chunks_flow(live)
    yield
    sensors.mend()
    chunks_flow(live)


def chunks_flow(live: Live) -> None:
    live.chunks.clear()
    live.client.wait_until(lambda: len(live.chunks) >= 2, "chunks: " + live.said("wam_inference")[-500:], 10.0)


def no_chunks_but(live: Live, *words: str) -> None:
    """Chunks cease, and log and diagnostics say ``words``."""

    def told() -> bool:
        status = live.diagnostics.get("wam_inference")
        said = status is not None and status.level == DiagnosticStatus.ERROR
        return said and all(word in status.message for word in words)

    live.diagnostics.clear()

    def logged() -> bool:
        return any("[ERROR]" in line and all(word in line for word in words) for line in live.lines)

    live.client.wait_until(told, f"diagnostics about {words}", 10.0)
    # The log is throttled to one line a second, so the words may come later than the diagnostics.
    live.client.wait_until(logged, f"an error line about {words}", 5.0)
    live.chunks.clear()
    live.client.spin(0.5)
    assert not live.chunks


def test_an_unknown_preset_is_refused_with_the_known_ones(live: Live) -> None:
    """Prevents: a node that starts without a model, or an error that leaves the user guessing."""
    live.client.set_parameters("wam_inference", {"model": "fast_vam"})
    assert not live.client.change_state("wam_inference", CONFIGURE)
    live.client.wait_until(lambda: "fast_vam" in live.said("wam_inference"), "the error in the log")
    assert "fast_wam_joint" in live.said("wam_inference")


def test_an_unknown_word_is_refused_with_the_known_ones(live: Live, sensors: Sensors) -> None:
    """Prevents: an instruction the model never saw being followed as if it were another."""
    answer = live.client.set_instruction("reach the purple ball")
    assert not answer.success and "purple" in answer.message and "yellow" in answer.message


def test_without_an_instruction_there_are_no_chunks(live: Live, sensors: Sensors) -> None:
    """Prevents: an arm that moves before anybody asked for anything."""
    assert live.client.set_instruction("").success
    live.client.spin(0.3)
    live.chunks.clear()
    live.client.spin(0.5)
    assert not live.chunks
    assert live.client.set_instruction("reach the red ball").success


def test_a_wrong_image_size_is_named(live: Live, sensors: Sensors) -> None:
    """Prevents: a picture of another size being stretched to fit."""

    def small(name: str, stamp_ns: int) -> Image:
        return conversion.image_message(np.zeros((60, 80, 3), np.uint8), "", stamp_ns)

    sensors.image = small
    no_chunks_but(live, "front", "80x60", "128x128")


def test_a_wrong_encoding_is_named(live: Live, sensors: Sensors) -> None:
    """Prevents: bytes of another encoding being read as colours."""

    def depth(name: str, stamp_ns: int) -> Image | None:
        image = sensors.good_image(name, stamp_ns)
        if name == "wrist":
            image.encoding = "32FC1"
        return image

    sensors.image = depth
    no_chunks_but(live, "wrist", "32FC1", "rgb8")


def test_nan_in_the_joint_states_is_named(live: Live, sensors: Sensors) -> None:
    """Prevents: a broken encoder turning into an observation."""

    def broken(stamp_ns: int) -> JointState | None:
        state = sensors.good_state(stamp_ns)
        state.position[3] = float("nan")
        return state

    sensors.state = broken
    no_chunks_but(live, "joint_states", "panda_joint4", "not finite")


def test_a_camera_that_stops_is_named(live: Live, sensors: Sensors) -> None:
    """Prevents: acting on an old picture as if it were the present."""
    sensors.image = lambda name, stamp_ns: None if name == "wrist" else sensors.good_image(name, stamp_ns)
    no_chunks_but(live, "wrist", "stale")


def test_joint_states_that_stop_are_named(live: Live, sensors: Sensors) -> None:
    """Prevents: an observation that pairs new pictures with an old pose."""
    sensors.state = lambda stamp_ns: None
    no_chunks_but(live, "joint_states", "stale")


def test_stamps_that_go_backwards_are_named(live: Live, sensors: Sensors) -> None:
    """Prevents: a replayed or disordered stream being taken for the present."""
    replayed_ns = time.time_ns() - 10**9
    sensors.image = lambda name, stamp_ns: sensors.good_image(name, replayed_ns if name == "front" else stamp_ns)
    no_chunks_but(live, "front", "backward stamp")


def test_a_missing_joint_is_named(live: Live, sensors: Sensors) -> None:
    """Prevents: the state of six joints being read as that of seven."""

    def six(stamp_ns: int) -> JointState | None:
        state = sensors.good_state(stamp_ns)
        state.name = state.name[1:]
        state.position, state.velocity = state.position[1:], state.velocity[1:]
        return state

    sensors.state = six
    no_chunks_but(live, "joint_states", "panda_joint1")


def test_a_model_that_does_not_fit_leaves_the_old_one_running(live: Live, sensors: Sensors, tmp_path) -> None:
    """Prevents: a failed load leaving the robot without the model it had."""
    for name in live.checkpoint.iterdir():
        (tmp_path / name.name).write_bytes(name.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    answer = live.client.call(LoadModel, "/wam_inference/load_model", LoadModel.Request(model=str(tmp_path)))
    assert not answer.success and "being followed" in answer.message, "a model must not change under a moving arm"
    assert live.client.set_instruction("").success
    answer = live.client.call(LoadModel, "/wam_inference/load_model", LoadModel.Request(model=str(tmp_path)))
    assert not answer.success and "model.safetensors" in answer.message
    answer = live.client.call(LoadModel, "/wam_inference/load_model", LoadModel.Request(model=str(live.checkpoint)))
    assert answer.success, answer.message
    assert live.client.set_instruction("reach the red ball").success


def test_deactivated_inference_is_silent_and_comes_back(live: Live, sensors: Sensors) -> None:
    """Prevents: chunks of a node that was told to be quiet."""
    assert live.client.change_state("wam_inference", 4)
    answer = live.client.set_instruction("reach the red ball")
    assert not answer.success and "not active" in answer.message
    live.chunks.clear()
    live.client.spin(0.5)
    assert live.client.change_state("wam_inference", ACTIVATE)
    live.client.spin(0.5)
    assert not live.chunks, "activation alone moves the arm"
    assert live.client.set_instruction("reach the red ball").success


def test_a_released_stop_leaves_nothing_to_follow(live: Live, sensors: Sensors) -> None:
    """Prevents: an arm that goes on with its old instruction the moment that an operator releases the stop."""
    executor = live.client.node.create_publisher(ExecutorStatus, "/wam_executor/status", RELIABLE)
    live.client.wait_until(lambda: executor.get_subscription_count() >= 2, "the model to listen")
    executor.publish(ExecutorStatus(latched=True, latch_reason="operator"))
    live.client.wait_until(lambda: "is dropped, stopped: operator" in live.said("wam_inference"), "word of it", 5.0)
    answer = live.client.set_instruction("reach the red ball")
    assert not answer.success and "operator" in answer.message
    executor.publish(ExecutorStatus())
    live.client.spin(0.3)
    live.chunks.clear()
    live.client.spin(0.5)
    assert not live.chunks
    assert live.client.set_instruction("reach the red ball").success
