"""An RViz configuration for what a preset shows on a robot.

Classes, properties and values are those of rviz_default_plugins; ``test/rviz_properties.py`` holds which there are.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import yaml

from wam_core.robot.contract import RobotContract
from wam_core.viewing.displays import Display, displays

Properties = dict[str, Any]

PANELS: list[Properties] = [
    {"Class": "rviz_common/Displays", "Name": "Displays", "Help Height": 0, "Tree Height": 300},
    {"Class": "rviz_common/Time", "Name": "Time", "Experimental": False, "SyncMode": 0, "SyncSource": ""},
]


def configuration(robot: RobotContract, cameras: Collection[str], kinds: Collection[str]) -> str:
    """The text of an ``.rviz`` file that shows every display of ``kinds`` in the robot's base frame."""
    shown = [_grid(robot), *(_shown(display) for display in displays(robot, cameras, kinds))]
    middle = (robot.workspace.lower + robot.workspace.upper) / 2
    view = {
        "Class": "rviz_default_plugins/Orbit",
        "Name": "Current View",
        "Target Frame": "<Fixed Frame>",
        "Distance": 2.5 * float((robot.workspace.upper - robot.workspace.lower).max()),
        "Focal Point": dict(zip("XYZ", middle.tolist(), strict=True)),
        "Pitch": 0.5,
        "Yaw": 0.8,
        "Value": "Orbit (rviz)",
    }
    manager = {
        "Class": "",
        "Name": "root",
        "Enabled": True,
        "Global Options": {"Background Color": "48; 48; 48", "Fixed Frame": robot.base_frame, "Frame Rate": 30},
        "Displays": shown,
        "Tools": [{"Class": f"rviz_default_plugins/{name}"} for name in ("MoveCamera", "FocusCamera", "Select")],
        "Transformation": {"Current": {"Class": "rviz_default_plugins/TF"}},
        "Value": True,
        "Views": {"Current": view, "Saved": None},
    }
    window = {"Width": 1600, "Height": 950, "Hide Left Dock": False, "Hide Right Dock": False}
    whole = {"Panels": PANELS, "Visualization Manager": manager, "Window Geometry": window}
    return str(yaml.safe_dump(whole, sort_keys=False))


def _shown(display: Display) -> Properties:
    head = {"Class": f"rviz_default_plugins/{CLASSES[display.kind]}", "Name": display.name}
    switched = {"Enabled": display.at_once, "Value": display.at_once}
    return {**head, **switched, **PROPERTIES[display.kind](_topic(display))}


def _topic(display: Display) -> Properties:
    return {
        "Value": display.topic,
        "Depth": 1 if display.kind == "robot" else 5,
        "History Policy": "Keep Last",
        "Reliability Policy": "Best Effort" if display.sensor else "Reliable",
        "Durability Policy": "Transient Local" if display.kind == "robot" else "Volatile",
    }


def _grid(robot: RobotContract) -> Properties:
    middle = (robot.workspace.lower + robot.workspace.upper) / 2
    return {
        "Class": "rviz_default_plugins/Grid",
        "Name": "Table",
        "Enabled": True,
        "Value": True,
        "Cell Size": 0.1,
        "Plane Cell Count": 12,
        "Plane": "XY",
        "Color": "120; 120; 120",
        "Offset": {"X": float(middle[0]), "Y": float(middle[1]), "Z": 0.0},
        "Reference Frame": "<Fixed Frame>",
    }


#: Kind of a display -> its class in RViz, and its properties around the topic.
CLASSES: Mapping[str, str] = {
    "image": "Image",
    "markers": "MarkerArray",
    "path": "Path",
    "points": "PointCloud2",
    "robot": "RobotModel",
}
PROPERTIES: Mapping[str, Callable[[Properties], Properties]] = {
    "image": lambda topic: {"Topic": topic, "Normalize Range": False},
    "markers": lambda topic: {"Topic": topic},
    "path": lambda topic: {
        "Topic": topic,
        "Color": "60; 200; 120",
        "Line Style": "Billboards",
        "Line Width": 0.006,
        "Pose Style": "None",
    },
    "points": lambda topic: {
        "Topic": topic,
        "Style": "Flat Squares",
        "Size (m)": 0.004,
        "Position Transformer": "XYZ",
        "Color Transformer": "RGB8",
    },
    "robot": lambda topic: {
        "Description Source": "Topic",
        "Description Topic": topic,
        "Visual Enabled": True,
        "Collision Enabled": False,
    },
}
