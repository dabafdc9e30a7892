"""What a robot senses beside images, joints, wrench and taxels: streams that a robot file declares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from wam_core.errors import ContractError, look_up
from wam_core.fields import read

#: Fingertips in the order of the channel ``touch``.
FINGERS = ("left", "right")


@dataclass(frozen=True)
class Sense:
    """One stream.

    Attributes:
        kind: a key of :data:`SENSES`, which says which of the other fields it has.
        camera: whose picture it belongs to, pixel by pixel.
        finger: one of :data:`FINGERS`. rows: taxels along the finger to its tip. columns: taxels along the x axis of
            the tool.
        rate_hz: samples a second.
    """

    name: str
    kind: str
    topic: str
    camera: str = ""
    finger: str = ""
    rows: int = 0
    columns: int = 0
    rate_hz: float = 0.0


@dataclass(frozen=True)
class SenseKind:
    """What one kind of sense sends.

    Attributes:
        channel: the channel of the scenes that it becomes, or a part of it.
        message: its ROS type, and how that is filled.
        values: what one instant of it is.
        needs: the fields of :class:`Sense` that it has beside name, kind and topic.
    """

    channel: str
    message: str
    values: str
    needs: tuple[str, ...] = ()


IMAGE = "sensor_msgs/msg/Image"

SENSES: Mapping[str, SenseKind] = {
    "depth": SenseKind(
        "depth", IMAGE, "float32 [H, W] m along the optical axis, inf where nothing is (32FC1)", ("camera",)
    ),
    "object_mask": SenseKind("object", IMAGE, "bool [H, W] where the object is seen (mono8, not 0)", ("camera",)),
    "object_pose": SenseKind(
        "object_pose", "geometry_msgs/msg/PoseStamped", "[6] x y z (m), rotation vector (rad), base frame"
    ),
    "sound": SenseKind("sound", "wam_msgs/msg/Sound", "float32 [S] -1..1, the samples of an action step", ("rate_hz",)),
    "touch_image": SenseKind(
        "touch", IMAGE, "float32 [R, C] N on each taxel of a fingertip (32FC1)", ("finger", "rows", "columns")
    ),
}

#: Channels of the scenes that are sensed so.
SENSED = frozenset(kind.channel for kind in SENSES.values())


class Sensing(Protocol):
    """A body, as far as its senses go."""

    @property
    def name(self) -> str: ...

    @property
    def senses(self) -> tuple[Sense, ...]: ...

    @property
    def step_ns(self) -> int: ...

    def camera(self, name: str, /) -> Any: ...


def read_senses(raw: Sequence[Mapping[str, Any]], cameras: Sequence[str], source: str) -> tuple[Sense, ...]:
    """The senses of a robot file.

    Raises:
        ContractError: an unknown kind, camera or finger, a field that the kind lacks or has no use for, a name or a
            topic twice, or two senses for the same part of a channel.
    """
    senses = tuple(read(Sense, one, f"{source}[{i}]") for i, one in enumerate(raw))
    for i, sense in enumerate(senses):
        field = f"{source}[{i}]"
        needs = look_up(SENSES, sense.kind, f"{field}.kind").needs
        for name in (f.name for f in fields(Sense) if f.name not in ("name", "kind", "topic")):
            if bool(getattr(sense, name)) != (name in needs):
                expected = f"a value for {sense.kind}" if name in needs else f"none for {sense.kind}"
                raise ContractError(f"{field}.{name}", getattr(sense, name), expected)
        if sense.camera:
            look_up(dict.fromkeys(cameras), sense.camera, f"{field}.camera")
        if sense.finger:
            look_up(dict.fromkeys(FINGERS), sense.finger, f"{field}.finger")
        for other in senses[:i]:
            same = (sense.kind, sense.camera, sense.finger) == (other.kind, other.camera, other.finger)
            if same or sense.name == other.name or sense.topic == other.topic:
                raise ContractError(field, sense.name, f"another name, topic and part than {other.name}")
    return senses


def senses_of(robot: Sensing, channel: str, cameras: Sequence[str]) -> tuple[Sense, ...]:
    """The senses that make ``channel``, in its order: one for each of ``cameras``, or each finger, or just one.

    Raises:
        ContractError: the robot does not have one of them.
    """
    having = [s for s in robot.senses if SENSES[s.kind].channel == channel]
    kind = next((kind for kind in SENSES.values() if kind.channel == channel), None)
    if kind is None:
        raise ContractError(f"robot.senses.{channel}", None, "a channel that can be sensed")
    parts: Sequence[str] = cameras if "camera" in kind.needs else FINGERS if "finger" in kind.needs else ("",)
    found = {sense.camera + sense.finger: sense for sense in having}
    if missing := [part for part in parts if part not in found]:
        whose = f" of {missing[0]}" if missing[0] else ""
        expected = f"a sense of {robot.name} that gives {channel}{whose}"
        raise ContractError(f"robot.senses.{channel}", [s.name for s in robot.senses], expected)
    return tuple(found[part] for part in parts)


def form(robot: Sensing, sense: Sense) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of one instant of a sense."""
    if sense.camera:
        return robot.camera(sense.camera).size, np.dtype(np.bool_ if sense.kind == "object_mask" else np.float32)
    if sense.rate_hz:
        return (round(sense.rate_hz * robot.step_ns / 1e9),), np.dtype(np.float32)
    if sense.rows:
        return (sense.rows, sense.columns), np.dtype(np.float32)
    return (6,), np.dtype(np.float64)
