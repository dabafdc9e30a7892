"""ROS time for a thread that is faster than /clock."""

import time

from rclpy.node import Node

#: Simulated time is carried on for this long after the last sign of it, then it stands still.
LONGEST_GUESS_NS = 50_000_000


class RosTime:
    """The node's clock; simulated time is carried on between two signs of it with the steady clock, and never goes back
    by what was carried on too far."""

    def __init__(self, node: Node) -> None:
        self._clock = node.get_clock()
        self._simulated = bool(node.get_parameter("use_sim_time").value)
        self._sign_ns = self._at_ns = self._told_ns = 0

    def saw(self, stamp_ns: int) -> None:
        """A message with this stamp arrived: simulated time is at least that."""
        if stamp_ns > self._sign_ns:
            self._sign_ns, self._at_ns = stamp_ns, time.monotonic_ns()

    def now_ns(self) -> int:
        now_ns = self._clock.now().nanoseconds
        if not self._simulated:
            return now_ns
        if now_ns < self._sign_ns - LONGEST_GUESS_NS:  # the simulation was turned back
            self._sign_ns = self._told_ns = 0
        self.saw(now_ns)
        guess = self._sign_ns + min(time.monotonic_ns() - self._at_ns, LONGEST_GUESS_NS)
        self._told_ns = max(self._told_ns, guess)
        return self._told_ns
