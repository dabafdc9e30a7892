"""What RViz 2 reads from a configuration: classes, the names of their properties, and the values that these take.

Read off the sources of rviz_common and rviz_default_plugins (github.com/ros2/rviz, commit f7112b1a of 2024-10-15,
between Jazzy and Kilted). RViz says nothing of a property that it does not know, and nothing of a value that it cannot
use: it goes on with its default. A class that it does not know is an error on the screen.
"""

from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def truth(value: Any) -> bool:
    return isinstance(value, bool)


def text(value: Any) -> bool:
    return isinstance(value, str)


def colour(value: Any) -> bool:
    """``r; g; b`` of 0 .. 255, as ColorProperty writes it."""
    parts = value.split("; ") if isinstance(value, str) else []
    return len(parts) == 3 and all(p.isdigit() and int(p) < 256 for p in parts)


def vector(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"X", "Y", "Z"} and all(map(number, value.values()))


def one_of(*options: str) -> Check:
    return lambda value: value in options


def frame(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not value.startswith("/")


QOS: Mapping[str, Check] = {
    "Depth": whole,
    "History Policy": one_of("System Default", "Keep Last", "Keep All"),
    "Reliability Policy": one_of("System Default", "Reliable", "Best Effort"),
    "Durability Policy": one_of("System Default", "Transient Local", "Volatile"),
    "Value": text,
}


def topic(value: Any) -> bool:
    """A topic that is taken whole: a last part of these names would be taken for a transport."""
    transports = ("compressed", "compressedDepth", "theora")
    fits = isinstance(value, dict) and set(value) <= set(QOS | {"Filter size": whole})
    return fits and all(QOS[k](v) for k, v in value.items()) and value["Value"].rsplit("/")[-1] not in transports


#: What every display has.
DISPLAY: Mapping[str, Check] = {"Class": text, "Name": text, "Enabled": truth, "Value": truth}
DISPLAYS: Mapping[str, Mapping[str, Check]] = {
    "rviz_default_plugins/Grid": {
        "Reference Frame": frame,
        "Plane Cell Count": whole,
        "Normal Cell Count": whole,
        "Cell Size": number,
        "Line Style": one_of("Lines", "Billboards"),
        "Color": colour,
        "Alpha": number,
        "Plane": one_of("XY", "XZ", "YZ"),
        "Offset": vector,
    },
    "rviz_default_plugins/Image": {
        "Topic": topic,
        "Normalize Range": truth,
        "Min Value": number,
        "Max Value": number,
        "Median window": whole,
    },
    "rviz_default_plugins/Path": {
        "Topic": topic,
        "Line Style": one_of("Lines", "Billboards"),
        "Line Width": number,
        "Color": colour,
        "Alpha": number,
        "Buffer Length": whole,
        "Offset": vector,
        "Pose Style": one_of("None", "Axes", "Arrows"),
        "Pose Color": colour,
    },
    "rviz_default_plugins/MarkerArray": {"Topic": topic, "Namespaces": lambda value: isinstance(value, dict)},
    "rviz_default_plugins/PointCloud2": {
        "Topic": topic,
        "Selectable": truth,
        "Style": one_of("Points", "Squares", "Flat Squares", "Spheres", "Boxes", "Tiles"),
        "Size (m)": number,
        "Size (Pixels)": number,
        "Alpha": number,
        "Decay Time": number,
        "Position Transformer": one_of("XYZ"),
        "Color Transformer": one_of("RGB8", "RGBF32", "Intensity", "AxisColor", "FlatColor"),
    },
    "rviz_default_plugins/RobotModel": {
        "Visual Enabled": truth,
        "Collision Enabled": truth,
        "Update Interval": number,
        "Alpha": number,
        "Description Source": one_of("Topic", "File"),
        "Description File": text,
        "Description Topic": topic,
        "TF Prefix": text,
    },
}
ORBIT: Mapping[str, Check] = {
    "Class": one_of("rviz_default_plugins/Orbit"),
    "Name": text,
    "Value": text,
    "Target Frame": frame,
    "Distance": number,
    "Focal Point": vector,
    "Yaw": number,
    "Pitch": number,
    "Near Clip Distance": number,
}
GLOBAL: Mapping[str, Check] = {"Fixed Frame": frame, "Background Color": colour, "Frame Rate": whole}
TOOLS = frozenset(
    f"rviz_default_plugins/{name}" for name in ("Interact", "MoveCamera", "Select", "FocusCamera", "Measure")
)
PANELS = frozenset(f"rviz_common/{name}" for name in ("Displays", "Selection", "Tool Properties", "Views", "Time"))
TRANSFORMATIONS = frozenset({"rviz_default_plugins/TF"})


def unread(properties: Mapping[str, Any], known: Mapping[str, Check]) -> list[str]:
    """What RViz would pass over: names that it does not know, values that it cannot use."""
    return [f"{name}: {value}" for name, value in properties.items() if name not in known or not known[name](value)]
