"""wam_futures as a real process: what becomes of a future whose scene or task is over."""

import os
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
from live_graph import ROBOT, Live, live_graph
from sensor_msgs.msg import Image
from std_msgs.msg import String

from wam_core.contract import Future
from wam_core.data.predictions import stamp_ns
from wam_core.policy import checkpoint_folder
from wam_core.provenance import checkpoint_digest
from wam_msgs.msg import ModelInfo, PredictedFuture
from wam_msgs.msg import Surprise as SurpriseMessage
from wam_ros import conversion
from wam_ros.qos import LATCHED, RELIABLE, SENSOR

CAMERA, SIDE = ROBOT.cameras[0], 32
#: Frames of a future, and the time between them.
FRAMES, STEP_NS = 2, 300_000_000
ATTEMPTS = 30


@dataclass
class Imagined:
    """Shows the node images of one camera and futures, and hears which of them it held against the images."""

    live: Live
    compared: list[int] = field(default_factory=list)
    surprises: list[int] = field(default_factory=list)
    values: dict[int, SurpriseMessage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        node, listen = self.live.client.node, self.live.client.listen
        self._images = node.create_publisher(Image, CAMERA.topic, SENSOR)
        self._futures = node.create_publisher(PredictedFuture, "/wam_inference/future", RELIABLE)
        self._texts = {
            topic: node.create_publisher(String, topic, LATCHED) for topic in ("/instruction", "/wam_cell/instruction")
        }
        listen(Image, "/wam_futures/video/comparison", lambda m: self.compared.append(stamp_ns(m)))
        listen(SurpriseMessage, "/wam_futures/surprise", self._on_surprise)
        self._models = node.create_publisher(ModelInfo, "/wam_inference/model", LATCHED)
        self._pixels = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
        node.create_timer(1.0 / ROBOT.rates.camera_hz, self._see)

    def imagine(self, stamp_ns: int) -> int:
        values = np.zeros((FRAMES, SIDE, SIDE, 3), np.uint8)
        future = Future(stamp_ns, "video", STEP_NS, values, {CAMERA.name: (0, 0, SIDE, SIDE)})
        self._futures.publish(conversion.future_message(ROBOT, future, "m"))
        return stamp_ns

    def tell(self, topic: str) -> None:
        self._texts[topic].publish(String(data="something else"))

    def wait_for_comparison(self, stamp_ns: int) -> None:
        self.live.client.wait_until(lambda: stamp_ns in self.compared, "the comparison")

    def surprised(self, appears: bool) -> SurpriseMessage:
        """The surprise of the last instant of a future in which nothing happens, while a red block appears or not.

        It is imagined again where a busy machine took no image at that instant.
        """
        for _ in range(ATTEMPTS):
            self._pixels[:] = 0
            self.live.client.spin(0.5)
            last = self.imagine(time.time_ns()) + FRAMES * STEP_NS
            self.live.client.spin(0.15)
            if appears:
                self._pixels[10:26, 10:26] = (200, 30, 30)
            self.live.client.spin((FRAMES + 1) * STEP_NS / 1e9)
            if last in self.values:
                return self.values[last]
        raise TimeoutError("no imagined instant was compared")

    def use(self, model: str) -> None:
        folder = checkpoint_folder(model)
        self._models.publish(ModelInfo(name=model, checkpoint=str(folder), digest=checkpoint_digest(folder)))

    def _on_surprise(self, message: SurpriseMessage) -> None:
        self.surprises.append(stamp_ns(message))
        self.values[stamp_ns(message)] = message

    def _see(self) -> None:
        self._images.publish(conversion.image_message(self._pixels, CAMERA.frame, time.time_ns()))


@pytest.mark.slow
def test_what_was_imagined_for_another_task_or_scene_is_not_compared() -> None:
    """Prevents: half of a picture from before a reset, half from after it, and a surprise that nothing surprised."""
    with live_graph("wam_futures", sim=False) as live:
        graph = Imagined(live)
        count = live.client.node.count_subscribers
        topics = ("/wam_inference/future", "/instruction", "/wam_cell/instruction", CAMERA.topic)
        live.client.wait_until(lambda: all(map(count, topics)), "wam_futures")
        own = os.getpriority(os.PRIO_PROCESS, live.processes.process("wam_futures").pid)
        assert own >= 0, "showing what was imagined delayed the model that imagines"
        live.client.spin(1.0)  # both sides must have found each other
        graph.wait_for_comparison(graph.imagine(time.time_ns()))
        for topic in ("/instruction", "/wam_cell/instruction"):
            before = graph.imagine(time.time_ns())
            live.client.spin(0.15)
            graph.tell(topic)
            told = time.time_ns()
            live.client.spin(0.15)
            late, after = graph.imagine(told - 1_000_000), graph.imagine(time.time_ns())
            graph.wait_for_comparison(after)
            assert before not in graph.compared and late not in graph.compared, topic
            instants = {after + (k + 1) * STEP_NS for k in range(FRAMES)}
            assert {stamp for stamp in graph.surprises if stamp > told} == instants, topic


@pytest.mark.slow
def test_surprise_has_the_scale_of_the_model_in_use_and_says_where() -> None:
    """Prevents: a number before anybody knows what is usual; none afterwards; a thing that appears unnoticed."""
    with live_graph("wam_futures", sim=False) as live:
        graph = Imagined(live)
        count = live.client.node.count_subscribers
        topics = ("/wam_inference/future", "/wam_inference/model", CAMERA.topic)
        live.client.wait_until(lambda: all(map(count, topics)), "wam_futures")
        live.client.spin(1.0)  # both sides must have found each other
        found = []
        for appears in (False, False, True):
            found.append(graph.surprised(appears))
            graph.use("fast_wam")
            live.client.spin(0.5)
        unknown, calm, startled = found
        assert np.isnan(unknown.value) and calm.value == 0.0 and startled.value > 1.0
        regions = dict(zip(startled.regions, startled.values, strict=True))
        assert regions["front/0/0"] == startled.value > 1.0 and regions["front/3/3"] == 0.0
