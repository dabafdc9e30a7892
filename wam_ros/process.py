"""The life of a node's process: start, spin, and leave cleanly on Ctrl-C, SIGTERM or an error."""

import signal
import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from wam_core.errors import ContractError
from wam_ros.clock_thread import ClockThread

#: A signal is noticed within this time.
LOOK_UP_S = 0.1


def run_node(make: Callable[[], Node], args: list[str] | None = None) -> None:
    """Spin a node in a single-threaded executor until SIGINT or SIGTERM; exits with 1 on bad parameters.

    ``start`` and ``stop`` of a node that has them frame the spinning. ROS itself stays up until ``stop`` has returned,
    so that an arm can be brought to rest; further signals change nothing.
    """
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: told.append(number))
    try:
        node = make()
    except ContractError as error:
        print(error, file=sys.stderr)
        rclpy.try_shutdown()
        raise SystemExit(1) from error
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    clock = ClockThread(node)
    try:
        if hasattr(node, "start"):
            node.start()
        clock.start()  # after the node's start, for the priority that the spin thread has then
        while not told:
            executor.spin_once(timeout_sec=LOOK_UP_S)
    finally:
        if hasattr(node, "stop"):
            node.stop()
        clock.stop()
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.try_shutdown()
