"""Simulated time kept by a thread of its own, as rclcpp keeps it.

rclpy leaves /clock to the node's executor, which looks at everything that the node has for each message: at 100 Hz that
took 3 to 6 % of a core in every node, and time stood still for as long as a callback took.
"""

import threading
from contextlib import suppress
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from wam_ros.polled import NeverReady, await_any

TOPIC = "/clock"
#: The end of the process, and a use of simulated time that begins or ends, is noticed within this time (s).
LOOK_UP_S = 0.1


class ClockThread(threading.Thread):
    """Takes the subscription that follows ``use_sim_time`` out of the node's executor and serves it here."""

    def __init__(self, node: Node) -> None:
        super().__init__(name="clock", daemon=True)
        self._node = node
        self._ended = threading.Event()

    def stop(self) -> None:
        self._ended.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        while not self._ended.is_set():
            clock = self._subscription()
            if clock is None:
                self._ended.wait(LOOK_UP_S)
            else:
                # With its events: an executor that waits for these wakes for messages, too, until they are taken.
                for entity in (clock, *clock.event_handlers):
                    entity.callback_group = NeverReady()
                self._follow(clock)

    def _follow(self, clock: Any) -> None:
        """Until it says nothing for a while, which it also does once it was destroyed."""
        while not self._ended.is_set() and await_any(self._node, [clock], LOOK_UP_S):
            with suppress(InvalidHandle), clock.handle:  # unless it was destroyed meanwhile
                if (taken := clock.handle.take_message(Clock, False)) is not None:
                    clock.callback(taken[0])

    def _subscription(self) -> Any | None:
        return next((s for s in self._node.subscriptions if s.topic_name == TOPIC), None)
