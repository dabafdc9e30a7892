"""Every RViz configuration against the graph it is meant for: topic, type, quality of service, frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from live_graph import ROBOT, live_graph
from nav_msgs.msg import Path
from rclpy.qos import (
    DurabilityPolicy,
    LivelinessPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from std_msgs.msg import String

from wam_core.contract import ActionChunk
from wam_msgs.msg import ActionChunk as ActionChunkMessage
from wam_ros import conversion
from wam_ros.node_table import Options, arguments, nodes_for
from wam_ros.qos import LATCHED, RELIABLE

CONFIGS = sorted((File(__file__).parent.parent / "config" / "rviz").glob("*.rviz"))
#: What each display draws. Images are shown as they are; the others are placed in the fixed frame.
TYPES = {
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
    "rviz_default_plugins/Path": "nav_msgs/msg/Path",
    "rviz_default_plugins/RobotModel": "std_msgs/msg/String",
}
PLACED = {"/wam_futures/path": Path}


@dataclass(frozen=True)
class Display:
    name: str
    topic: str
    type_name: str
    qos: QoSProfile


def displays(manager: dict[str, Any]) -> Iterator[Display]:
    for display in manager["Displays"]:
        topic = display.get("Topic") or display.get("Description Topic")
        if topic is not None:
            qos = QoSProfile(
                depth=topic["Depth"],
                reliability=ReliabilityPolicy[topic["Reliability Policy"].upper().replace(" ", "_")],
                liveliness=LivelinessPolicy.AUTOMATIC,
                durability=DurabilityPolicy[topic["Durability Policy"].upper().replace(" ", "_")],
            )
            yield Display(display["Name"], topic["Value"], TYPES[display["Class"]], qos)


def manager_of(config: File) -> dict[str, Any]:
    return yaml.safe_load(config.read_text())["Visualization Manager"]


@pytest.mark.parametrize("robot", ["panda_cell", "ur5e"])
def test_rviz_is_started_with_a_config_and_in_the_base_frame_of_the_robot(robot: str) -> None:
    """Prevents: another arm in the frame of this one, which RViz cannot place."""
    options = Options(robot=robot, rviz=True)
    (rviz,) = [node for node in nodes_for(options) if node.name == "rviz2"]
    words = arguments(rviz, options)
    assert File(words[words.index("-d") + 1]) in CONFIGS
    assert words[words.index("-f") + 1] == {"panda_cell": "panda_link0", "ur5e": "base_link"}[robot]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_camera_and_every_picture_has_a_display(config: File) -> None:
    """Prevents: a picture that is published and that nobody sees; one that is shown twice."""
    topics = [display.topic for display in displays(manager_of(config))]
    pictures = {f"/wam_futures/{name}" for name in ("film_strip", "comparison", "surprise_overlay", "path")}
    assert len(topics) == len(set(topics))
    assert set(topics) == {camera.topic for camera in ROBOT.cameras} | pictures | {"/robot_description"}


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_running_graph_publishes_what_rviz_shows(config: File) -> None:
    """Prevents: a display that stays black silently: no publisher, another type, incompatible QoS, no such frame."""
    manager = manager_of(config)
    step_ns = ROBOT.step_ns
    chunk = ActionChunk(
        0, step_ns, step_ns, (*ROBOT.joints, "gripper"), "joint_position", np.array([[*ROBOT.home, 1.0]]), 1, "m", 0
    )
    with live_graph("wam_cell", "wam_futures") as live:
        client = live.client
        told: list[String] = []
        placed: dict[str, str] = {}
        client.listen(String, "/robot_description", told.append, LATCHED)
        for topic, kind in PLACED.items():
            client.listen(kind, topic, lambda m, topic=topic: placed.update({topic: m.header.frame_id}))
        chunks = client.node.create_publisher(ActionChunkMessage, "/wam_inference/action_chunk", RELIABLE)

        def shown() -> bool:
            chunks.publish(conversion.chunk_message(ROBOT, chunk))
            client.spin(0.2)
            return bool(told) and placed.keys() == PLACED.keys()

        client.wait_until(shown, "the description and a path")
        for display in displays(manager):
            client.wait_until(lambda at=display.topic: client.node.count_publishers(at) > 0, display.topic, 20.0)
            for publisher in client.node.get_publishers_info_by_topic(display.topic):
                assert publisher.topic_type == display.type_name, display.name
                verdict, reason = qos_check_compatible(publisher.qos_profile, display.qos)
                assert verdict == QoSCompatibility.OK, f"{display.name}: {reason}"
        links = {link.get("name") for link in ElementTree.fromstring(told[-1].data).iter("link")}
        assert {manager["Global Options"]["Fixed Frame"], *placed.values()} <= links
