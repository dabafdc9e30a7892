"""The RViz configuration of every preset: against what RViz reads, and against the running graph."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
from rviz_properties import DISPLAY, DISPLAYS, GLOBAL, ORBIT, PANELS, TOOLS, TRANSFORMATIONS, unread
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String
from test_pictures import future
from tiny import TINY
from visualization_msgs.msg import Marker, MarkerArray

from wam_core.contract import ActionChunk, Future
from wam_core.paths import share_path
from wam_core.preprocess.images import ImageLayout
from wam_core.presets import load_preset, preset_names
from wam_core.robot.robot_file import load_robot
from wam_core.viewing.displays import kinds_shown
from wam_core.viewing.pictures import LAYERS, OF_NO_CAMERA
from wam_msgs.msg import ActionChunk as ActionChunkMessage
from wam_msgs.msg import PredictedFuture
from wam_ros import conversion
from wam_ros.node_table import Options, arguments, nodes_for, rviz_configuration
from wam_ros.qos import LATCHED, RELIABLE

CAMERAS = tuple(camera.name for camera in ROBOT.cameras)
#: One preset of each kind: what it looks at, what it imagines.
KINDS = {(p.layout.cameras, kinds_shown(p)): p.name for p in map(load_preset, preset_names())}
#: What each display draws. Images are shown as they are; the others are placed in the fixed frame.
TYPES = {
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
    "rviz_default_plugins/Path": "nav_msgs/msg/Path",
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
    "rviz_default_plugins/PointCloud2": "sensor_msgs/msg/PointCloud2",
    "rviz_default_plugins/RobotModel": "std_msgs/msg/String",
}
PLACED = {
    "nav_msgs/msg/Path": Path,
    "sensor_msgs/msg/PointCloud2": PointCloud2,
    "visualization_msgs/msg/MarkerArray": MarkerArray,
}


@dataclass(frozen=True)
class Shown:
    name: str
    topic: str
    type_name: str
    qos: QoSProfile


def manager_of(preset: str, robot: str = "panda_cell") -> dict[str, Any]:
    return yaml.safe_load(rviz_configuration(Options(robot=robot, model=preset)))["Visualization Manager"]


def shown_by(manager: dict[str, Any]) -> Iterator[Shown]:
    for display in manager["Displays"]:
        topic = display.get("Topic") or display.get("Description Topic")
        if topic is not None:
            qos = QoSProfile(
                depth=topic["Depth"],
                reliability=ReliabilityPolicy[topic["Reliability Policy"].upper().replace(" ", "_")],
                liveliness=LivelinessPolicy.AUTOMATIC,
                durability=DurabilityPolicy[topic["Durability Policy"].upper().replace(" ", "_")],
            )
            yield Shown(display["Name"], topic["Value"], TYPES[display["Class"]], qos)


@pytest.mark.parametrize("robot", ["panda_cell", "ur5e"])
def test_rviz_is_started_in_the_base_frame_and_with_the_cameras_of_the_robot(
    robot: str, monkeypatch: pytest.MonkeyPatch, tmp_path: File
) -> None:
    """Prevents: another arm in the frame of this one, which RViz cannot place; the cell's cameras on another robot."""
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    options = Options(robot=robot, rviz=True)
    (rviz,) = [node for node in nodes_for(options) if node.name == "rviz2"]
    flag, file = arguments(rviz, options)
    manager = yaml.safe_load(File(file).read_text())["Visualization Manager"]
    assert flag == "-d" and file.endswith(".rviz")
    assert manager["Global Options"]["Fixed Frame"] == load_robot(robot).base_frame
    cameras = {camera.topic for camera in load_robot(robot).cameras}
    assert cameras == {shown.topic for shown in shown_by(manager) if shown.name.startswith("Camera")}


@pytest.mark.parametrize("preset", KINDS.values())
def test_rviz_reads_all_that_its_configuration_says(preset: str) -> None:
    """Prevents: a property misspelt, of another class or with a value that RViz drops without a word."""
    whole = yaml.safe_load(rviz_configuration(Options(model=preset)))
    manager = whole["Visualization Manager"]
    assert set(whole) == {"Panels", "Visualization Manager", "Window Geometry"}
    assert {panel["Class"] for panel in whole["Panels"]} <= PANELS
    for display in manager["Displays"]:
        assert not unread(display, DISPLAY | DISPLAYS[display["Class"]]), display["Name"]
    names = [display["Name"] for display in manager["Displays"]]
    assert len(names) == len(set(names))
    assert not unread(manager["Global Options"], GLOBAL) and not unread(manager["Views"]["Current"], ORBIT)
    assert {tool["Class"] for tool in manager["Tools"]} <= TOOLS
    assert manager["Transformation"]["Current"]["Class"] in TRANSFORMATIONS


@pytest.mark.parametrize("name", preset_names())
def test_every_kind_of_future_has_its_displays(name: str) -> None:
    """Prevents: a future that is published and that nobody sees; one that is shown twice."""
    preset, topics = load_preset(name), [shown.topic for shown in shown_by(manager_of(name))]
    assert len(topics) == len(set(topics))
    for group in preset.futures():
        shows = preset.substrates[group.substrate].shows
        for kind in LAYERS.get(shows, (shows,)):
            assert f"/wam_futures/{kind}/film_strip" in topics
            for camera in preset.layout.cameras if kind not in OF_NO_CAMERA else ():
                assert f"/wam_futures/{kind}/{camera}/imagined" in topics
    assert {camera.topic for camera in ROBOT.cameras} <= set(topics)


def futures(stamp_ns: int) -> Iterator[Future]:
    """One of every kind that any preset shows; those of cameras, once more with all of the robot's."""
    for kind in TINY:
        one = replace(future(kind), stamp_ns=stamp_ns)
        yield one
        if one.substrate not in OF_NO_CAMERA and one.values.shape[2] == 64:
            wide = np.concatenate([one.values, one.values[:, :, :32]], axis=2)
            yield replace(one, values=wide, regions=ImageLayout(CAMERAS, 32, 32).regions)
    video = future("pixels")
    yield replace(video, stamp_ns=stamp_ns, substrate="nearest", values=video.values[:1])
    points = np.random.default_rng(0).random((*video.values.shape[:3], 6), np.float32)
    points[:, 0] = np.nan  # nothing is there
    yield replace(video, stamp_ns=stamp_ns, substrate="cloud", values=points)


def chunk(stamp_ns: int, rise: float) -> ActionChunk:
    home = np.append([0.45, 0.0, 0.35, 0.0, 0.0, 0.0], 1.0)
    rows = home + np.linspace(0.0, 0.1, 8)[:, None] * (1, 0, rise, 0, 0, 0, 0)
    return ActionChunk(stamp_ns, stamp_ns + ROBOT.step_ns, ROBOT.step_ns, ROBOT.action.names, "ee_pose", rows, 1, "m")


def check_markers(markers: list[Marker]) -> None:
    """What RViz warns of: a side of length 0, two of one name, a quaternion that is none, numbers that are none."""
    drawn = [marker for marker in markers if marker.action == Marker.ADD]
    assert len({(marker.ns, marker.id) for marker in drawn}) == len(drawn)
    for marker in drawn:
        scale, turn, place = marker.scale, marker.pose.orientation, marker.pose.position
        sides = [scale.x] if marker.type == Marker.LINE_LIST else [scale.x, scale.y, scale.z]
        assert marker.type == Marker.TEXT_VIEW_FACING or min(sides) > 0.0, marker.ns
        assert math.hypot(turn.x, turn.y, turn.z, turn.w) == pytest.approx(1.0, abs=1e-3)
        points = [place, *marker.points]
        assert all(math.isfinite(p.x + p.y + p.z) for p in points)
        assert len(marker.colors) in (0, len(marker.points)) and marker.color.a > 0.0


@pytest.mark.slow
def test_the_running_graph_publishes_what_rviz_shows() -> None:
    """Prevents: a display that stays black silently: no publisher, another type, incompatible QoS, no such frame."""
    managers = {preset: manager_of(preset) for preset in KINDS.values()}
    every = {shown.topic: shown for manager in managers.values() for shown in shown_by(manager)}
    with live_graph("wam_cell", "wam_futures") as live:
        client = live.client
        told: list[String] = []
        placed: dict[str, Any] = {}
        client.listen(String, "/robot_description", told.append, LATCHED)
        for topic, shown in every.items():
            if shown.type_name in PLACED:
                kind = PLACED[shown.type_name]
                client.listen(kind, topic, lambda m, topic=topic: placed.update({topic: m}))
        chunks = client.node.create_publisher(ActionChunkMessage, "/wam_inference/action_chunk", RELIABLE)
        imagined = client.node.create_publisher(PredictedFuture, "/wam_inference/future", RELIABLE)
        client.wait_until(lambda: bool(live.states), "a joint state")

        def all_shown() -> bool:
            now_ns = conversion.nanoseconds(live.states[-1].header.stamp)
            for k, rise in enumerate((0.0, 0.2)):
                chunks.publish(conversion.chunk_message(ROBOT, chunk(now_ns + k * ROBOT.step_ns, rise)))
            for one in futures(now_ns):
                imagined.publish(conversion.future_message(ROBOT, one, "m"))
            client.spin(0.5)
            drawn = {m.ns for m in placed["/wam_futures/plan"].markers} if "/wam_futures/plan" in placed else set()
            wanted = {topic for topic, shown in every.items() if shown.type_name in PLACED}
            return bool(told) and placed.keys() == wanted and {"disagreement", "seams", "arm at the end"} <= drawn

        def published(topic: str) -> bool:
            there = client.node.count_publishers(topic) > 0
            return there or (all_shown() and False)  # a future that was lost on the way is sent again

        client.wait_until(all_shown, "the description, a path, a plan and tracks", 60.0)
        for topic, shown in every.items():
            client.wait_until(lambda at=topic: published(at), topic, 20.0)
            for publisher in client.node.get_publishers_info_by_topic(topic):
                assert publisher.topic_type == shown.type_name, shown.name
                verdict, reason = qos_check_compatible(publisher.qos_profile, shown.qos)
                assert verdict == QoSCompatibility.OK, f"{shown.name}: {reason}"
    frames = {link.get("name") for link in ElementTree.fromstring(told[-1].data).iter("link")}
    for topic, message in placed.items():
        parts = message.markers if isinstance(message, MarkerArray) else [message]
        assert {part.header.frame_id for part in parts} <= frames, topic
        if isinstance(message, MarkerArray):
            check_markers(message.markers)
        if isinstance(message, PointCloud2):
            rows = np.frombuffer(message.data, [(axis, "<f4") for axis in "xyz"] + [("rgb", "<u4")])
            assert len(rows) == message.width and all(np.isfinite(rows[axis]).all() for axis in "xyz"), topic
    assert told[-1].data == share_path(ROBOT.urdf).read_text()
    assert all(manager["Global Options"]["Fixed Frame"] in frames for manager in managers.values())
