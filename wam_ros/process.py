"""The life of a node's process: start, spin, and leave cleanly on Ctrl-C, SIGTERM or an error."""

import signal
import sys
from collections.abc import Callable
from typing import Protocol

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from wam_core.errors import ContractError


class OwnThreads(Protocol):
    """A node with threads of its own."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


def run_node(make: Callable[[], Node], args: list[str] | None = None) -> None:
    """Spin a node in a single-threaded executor until shut down; exits with 1 on bad parameters.

    ``start`` and ``stop`` of a node that has them frame the spinning.
    """
    rclpy.init(args=args)
    try:
        node = make()
    except ContractError as error:
        print(f"{error}", file=sys.stderr)
        rclpy.try_shutdown()
        raise SystemExit(1) from error
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if hasattr(node, "start"):
            node.start()
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        # A second Ctrl-C while entities are destroyed raises inside rclpy.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if hasattr(node, "stop"):
            node.stop()
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.try_shutdown()
