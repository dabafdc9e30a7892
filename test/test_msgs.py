"""wam_msgs as colcon built it: documented, complete, and carried unchanged."""

import math
import re
from pathlib import Path

import pytest
from builtin_interfaces.msg import Duration, Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

import wam_msgs.action
import wam_msgs.msg
import wam_msgs.srv
from wam_msgs.msg import ActionChunk, PredictedFuture, SafetyEvent, Tensor

PACKAGE = Path(__file__).parent.parent / "wam_msgs"
FILES = sorted(f for kind in ("msg", "srv", "action") for f in (PACKAGE / kind).iterdir())
NUMBER = re.compile(r"^(u?int\d+|float\d+|builtin_interfaces/(Time|Duration))")
UNIT = re.compile(
    r"\((s|s, ns|s of .*|N|rad|count|rows|pixels .*|ticks or chunks|ROS clock|0 \.\. 1)\)"
    r"|\bunits?\b|constants|seed of"
)


def fields(path: Path) -> dict[str, tuple[str, str]]:
    """Field name -> (type, comment with its continuation lines)."""
    found: dict[str, tuple[str, str]] = {}
    name = ""
    for line in path.read_text().splitlines():
        match = re.match(r"^([\w/]+(?:\[\d*\])?)\s+(\w+)\s*(?:#\s*(.*))?$", line)
        if match and "=" not in line.split("#")[0]:
            name = match[2]
            found[name] = (match[1], match[3] or "")
        elif name and re.match(r"^\s+#", line):
            found[name] = (found[name][0], f"{found[name][1]} {line.strip(' #')}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_field_says_what_it_means(path: Path) -> None:
    """A field without unit or frame is read as metres by one node and millimetres by another."""
    assert path.read_text().startswith("# "), "says in its first line what it is for"
    for name, (kind, comment) in fields(path).items():
        assert len(comment.split()) >= 2, f"{path.name}: {name} has no comment"
        assert UNIT.search(comment) or not NUMBER.match(kind), f"{path.name}: {name} has no unit: {comment!r}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_built(path: Path) -> None:
    """A file left out of CMakeLists.txt exists for readers and fails for programs."""
    module = {"msg": wam_msgs.msg, "srv": wam_msgs.srv, "action": wam_msgs.action}[path.parent.name]
    built = getattr(module, path.stem)
    if path.parent.name == "msg":
        assert set(built.get_fields_and_field_types()) == set(fields(path))


def test_a_chunk_survives_the_wire() -> None:
    """Values narrowed to float32 on the way would move the arm by up to a micrometre per step, unnoticed."""
    sent = ActionChunk(
        header=Header(stamp=Time(sec=3, nanosec=999_999_999), frame_id="panda_link0"),
        start=Time(sec=4, nanosec=99_999_999),
        step=Duration(nanosec=100_000_000),
        space="ee_pose",
        names=["x", "y", "z", "rx", "ry", "rz", "gripper"],
        horizon=2,
        values=[math.pi * i for i in range(14)],
        sequence=2**63,
        model="fast_wam",
    )
    assert deserialize_message(serialize_message(sent), ActionChunk) == sent


def test_a_future_carries_tensor_and_pictures() -> None:
    """A nested image that loses its stamp cannot be laid beside the measured frame."""
    picture = Image(header=Header(stamp=Time(sec=1)), height=2, width=3, encoding="rgb8", step=9, data=bytes(range(18)))
    tensor = Tensor(axes=["time", "height", "width", "channel"], shape=[1, 2, 3, 3], dtype="uint8", data=bytes(18))
    sent = PredictedFuture(tensor=tensor, frames=[picture], regions=["front"], region_boxes=[0, 0, 2, 3])
    assert deserialize_message(serialize_message(sent), PredictedFuture) == sent


def test_a_wrong_type_is_refused() -> None:
    """Kilted's messages accept anything unless asked to check; a wrong type would crash or be sent as garbage."""
    chunk, event = ActionChunk(), SafetyEvent()
    with pytest.raises(AssertionError):
        chunk.horizon = -1
    with pytest.raises(AssertionError):
        chunk.names = [1.0]
    with pytest.raises(AssertionError):
        event.value = "fast"
