"""Cameras that send JPEG, over ROS: from the cell to chunks, recordings, replay and what people look at."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from live_graph import ROBOT, live_graph
from sensor_msgs.msg import CompressedImage
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.data.reader import read_episode
from wam_core.data.recording import Recording
from wam_core.evaluation.film import read_film
from wam_core.evaluation.replay import replay
from wam_core.preprocess.compressed import JPEG_END
from wam_core.preprocess.raw import camera_image
from wam_core.provenance import image_digest
from wam_core.robot.crop import Crop
from wam_core.training.checkpoint import load_checkpoint, save_checkpoint
from wam_msgs.msg import ModelInput, Surprise
from wam_msgs.srv import StartRecording, StopRecording
from wam_ros import conversion
from wam_ros.qos import SENSOR

TOLD = "reach the red ball"
JPEG = tuple(replace(c, topic=f"{c.topic}/compressed", transport="compressed") for c in ROBOT.cameras)
#: Of its first camera a part is looked at.
SENT = replace(ROBOT, cameras=(replace(JPEG[0], crop=Crop(24, 8, 72, 96)), *JPEG[1:]))


@pytest.mark.slow
def test_the_graph_runs_on_compressed_topics(tmp_path: Path) -> None:
    """A robot whose cameras are used over ``.../compressed`` was asked for by everyone and could not be connected: its
    topics have another type. And a picture whose end is missing is no picture: it is named, and the node goes on. Of a
    camera that is cut, all that looks at it looks at the same part."""
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(SENT.to_dict(), sort_keys=False))
    model = tmp_path / "model"
    save_checkpoint(model, replace(load_checkpoint(make_tiny_checkpoint(tmp_path / "tiny")), robot=SENT.straight()))
    names = ("wam_cell", "wam_inference", "wam_recorder", "wam_futures")
    front, used, heard, surprises = SENT.camera("front"), list[ModelInput](), dict[int, bytes](), list[Surprise]()
    seen: dict[int, str] = {}

    def look(message: CompressedImage) -> None:
        if not bytes(message.data).endswith(JPEG_END):
            return  # this test's own
        stamp_ns = conversion.nanoseconds(message.header.stamp)
        heard[stamp_ns] = bytes(message.data)
        seen[stamp_ns] = image_digest(camera_image(front, message).rgb())

    with live_graph(*names, robot=str(tmp_path / "robot.yaml")) as live:
        client = live.client
        client.listen(ModelInput, "/wam_inference/input", used.append)
        client.listen(Surprise, "/wam_futures/surprise", surprises.append)
        client.listen(CompressedImage, front.topic, look, SENSOR)
        client.set_parameters("wam_recorder", {"folder": str(tmp_path)})
        client.set_parameters("wam_inference", {"model": str(model)})
        live.activate("wam_inference")
        assert client.call(StartRecording, "/wam_recorder/start", StartRecording.Request(name="jpeg")).success
        client.spin(1.0)  # its subscriptions are found
        assert client.set_instruction(TOLD).success
        client.wait_until(lambda: len(live.chunks) >= 3 and len(used) >= 3, "chunks")
        client.wait_until(lambda: bool(surprises), "what was imagined compared with what came")
        assert client.set_instruction("").success
        client.spin(0.5)
        stopped = client.call(StopRecording, "/wam_recorder/stop", StopRecording.Request())

        cut = client.node.create_publisher(CompressedImage, front.topic, SENSOR)
        client.wait_until(lambda: cut.get_subscription_count() >= 2, "listeners")
        whole = conversion.camera_message(front, np.zeros((front.height, front.width, 3), np.uint8), max(heard))
        whole.data = whole.data[:-60]
        cut.publish(whole)
        client.wait_until(lambda: "its end is missing" in live.said("wam_inference"), "a word")
        assert "front: does not fit the robot file: front.data: got" in live.said("wam_inference")
        live.chunks.clear()
        assert client.set_instruction(TOLD).success
        client.wait_until(lambda: len(live.chunks) >= 2, "chunks again")

    digests = [dict(zip(m.cameras, m.image_digests, strict=True))["front"] for m in used[:3]]
    assert set(digests) <= set(seen.values())
    path = Path(stopped.paths[0])
    found = replay(path, str(model))
    assert found.equal and len(found.chunks) >= 3, [c.parted for c in found.chunks]
    recording = Recording(path)
    recorded = [recording.decode(m) for m in recording.messages({front.topic})]
    assert len(recorded) > 3 and {bytes(m.data) for m in recorded[2:-2]} <= set(heard.values())
    images = read_episode(path).images["front"]
    assert images.shape[1:] == (96, 72, 3) and image_digest(images[0]) in seen.values()
    film = read_film(path)
    assert len(film.images["front"]) == len(recorded) and film.futures
