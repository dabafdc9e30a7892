"""ROS time for a thread that is faster than /clock."""

import threading
import time

from rclpy.node import Node

#: Simulated time is carried on for this long after the last sign of it, then it stands still.
LONGEST_GUESS_NS = 10_000_000


class RosTime:
    """The node's clock, for several threads. Between two signs of it, simulated time is carried on with the steady
    clock; it never goes back by what was carried on too far."""

    def __init__(self, node: Node) -> None:
        self._clock = node.get_clock()
        self._simulated = bool(node.get_parameter("use_sim_time").value)
        self._lock = threading.Lock()
        self._clock_ns = self._sign_ns = self._at_ns = self._told_ns = 0

    def saw(self, stamp_ns: int) -> None:
        """A message with this stamp arrived: simulated time is at least that."""
        with self._lock:
            self._saw(stamp_ns)

    def now_ns(self) -> int:
        if not self._simulated:
            return int(self._clock.now().nanoseconds)
        with self._lock:
            # Read in here: a thread that is held up between reading and looking would find that time was turned back.
            clock_ns = int(self._clock.now().nanoseconds)
            if clock_ns < self._clock_ns:  # the simulation was turned back
                self._sign_ns = self._told_ns = 0
            self._clock_ns = clock_ns
            self._saw(clock_ns)
            guess = self._sign_ns + min(time.monotonic_ns() - self._at_ns, LONGEST_GUESS_NS)
            self._told_ns = max(self._told_ns, guess)
            return self._told_ns

    def _saw(self, stamp_ns: int) -> None:
        if stamp_ns > self._sign_ns:
            self._sign_ns, self._at_ns = stamp_ns, time.monotonic_ns()
