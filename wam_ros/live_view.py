"""The running graph onto a view."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from wam_core.data.predictions import stamp_ns
from wam_core.robot.robot_file import load_robot
from wam_core.viewing.feed import Show, shows
from wam_core.viewing.view import View
from wam_ros.graph_client import GraphClient
from wam_ros.recorder_node import recorded_topics


def watch(robot_name: str, begin: Callable[[View], None], seconds: float) -> int:
    """Show what the graph publishes for some time (wall s; 0: until Ctrl-C); returns the number of messages shown."""
    robot = load_robot(robot_name)
    view = View(robot, "live")
    begin(view)
    table, count, now_ns = shows(robot), 0, 0
    unplaced: list[tuple[Show, Any]] = []

    def heard(show: Show, message: Any) -> None:
        nonlocal count, now_ns
        unplaced.append((show, message))
        # What has no stamp of its own came with the newest that has; until one came, nobody knows what time it is.
        now_ns = stamp_ns(message) if hasattr(message, "header") else now_ns
        while now_ns and unplaced:
            show, message = unplaced.pop(0)
            show(view, message, now_ns)
            count += 1

    with GraphClient("wam_view") as client:
        for topic, kind, qos in recorded_topics(robot, senses=False):
            if topic in table:
                client.listen(kind, topic, partial(heard, table[topic]), qos)
        try:
            end = time.monotonic() + (seconds or float("inf"))
            while time.monotonic() < end:
                client.spin(min(0.2, max(end - time.monotonic(), 0.0)))
        except KeyboardInterrupt:
            pass
    view.close()
    return count
