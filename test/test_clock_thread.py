"""Simulated time in a node: it goes on by itself, and the node's executor does not wake for it."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from wam_ros import conversion
from wam_ros.clock_thread import ClockThread
from wam_ros.qos import COMMAND

CLOCK_HZ, SECONDS = 100.0, 2.0
#: A node whose first callback waits for simulated time to go on by half a second.
NODE = """
import time
from rclpy.node import Node
from rclpy.parameter import Parameter
from wam_ros.process import run_node

class Waiting(Node):
    def __init__(self):
        super().__init__("waiting", parameter_overrides=[Parameter("use_sim_time", value=True)])
        self.create_timer(0.1, self._wait)

    def _wait(self):
        begin, give_up = self.get_clock().now().nanoseconds, time.monotonic() + 10.0
        while self.get_clock().now().nanoseconds < begin + 500_000_000 and time.monotonic() < give_up:
            time.sleep(0.01)
        print("went on" if time.monotonic() < give_up else "stood still", flush=True)

run_node(Waiting)
"""


class Counting(SingleThreadedExecutor):
    """Counts how often it looks at its nodes."""

    looks = 0

    def get_nodes(self) -> list[Node]:
        self.looks += 1
        return super().get_nodes()


@contextmanager
def simulation(node: Node) -> Iterator[None]:
    """Its clock goes by as fast as ours."""
    publisher, ended = node.create_publisher(Clock, "/clock", COMMAND), threading.Event()

    def tell() -> None:
        while not ended.wait(1.0 / CLOCK_HZ):
            publisher.publish(Clock(clock=conversion.time_message(time.time_ns())))

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        node.destroy_publisher(publisher)


@pytest.fixture(scope="module")
def world() -> Iterator[Node]:
    rclpy.init(args=[])
    made = rclpy.create_node("world")
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


def simulated(name: str) -> Node:
    return rclpy.create_node(name, parameter_overrides=[Parameter("use_sim_time", value=True)])


def wait_for_time(node: Node, beyond_ns: int = 0) -> None:
    give_up = time.monotonic() + 10.0
    while node.get_clock().now().nanoseconds <= beyond_ns:
        assert time.monotonic() < give_up, "time stands still"
        time.sleep(0.01)


def test_time_goes_on_while_a_callback_runs(world: Node) -> None:
    """A model that took long to answer learned only afterwards that its pictures had become old."""
    with simulation(world):
        process = subprocess.Popen([sys.executable, "-c", NODE], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None and process.stdout.readline() == "went on\n"
        finally:
            process.terminate()
            assert process.wait(10.0) == 0


def test_an_executor_does_not_wake_for_the_clock_but_for_timers_of_its_time(world: Node) -> None:
    """Every node looked at all that it has for the clock's sake, which took 3 to 6 % of a core in each. With the events
    of the clock's subscription left to the executor it looked 2000 times a second."""
    node, rings = simulated("reader"), []
    clock, executor = ClockThread(node), Counting()
    node.create_timer(0.2, lambda: rings.append(node.get_clock().now().nanoseconds))
    executor.add_node(node)
    with simulation(world):
        clock.start()
        wait_for_time(node)
        executor.looks, end = 0, time.monotonic() + SECONDS
        while (left := end - time.monotonic()) > 0.0:
            executor.spin_once(timeout_sec=left)
        clock.stop()
    executor.shutdown()
    node.destroy_node()
    assert 0.5 * SECONDS / 0.2 <= len(rings) <= 1.2 * SECONDS / 0.2
    assert executor.looks < 0.3 * CLOCK_HZ * SECONDS


def test_simulated_time_can_be_switched_off_and_on(world: Node) -> None:
    """`ros2 param set use_sim_time` destroys the subscription that the thread waits for, and makes another."""
    node = simulated("switching")
    clock = ClockThread(node)
    with simulation(world):
        clock.start()
        wait_for_time(node)
        node.set_parameters([Parameter("use_sim_time", value=False)])
        time.sleep(0.3)
        node.set_parameters([Parameter("use_sim_time", value=True)])
        wait_for_time(node, time.time_ns())
        assert clock.is_alive()
        clock.stop()
    node.destroy_node()
