"""Simulated time, asked for by several threads."""

import threading
from types import SimpleNamespace
from typing import Any

from wam_ros.ros_time import RosTime


class Clock:
    """A simulation's, of which a thread that is held up learns late."""

    def __init__(self) -> None:
        self.nanoseconds = 100_000_000
        self.held_up = threading.Event()
        self.go_on = threading.Event()

    def now(self) -> Any:
        seen = self.nanoseconds
        if threading.current_thread().name == "slow":
            self.held_up.set()
            self.go_on.wait(0.2)
        return SimpleNamespace(nanoseconds=seen)


def ros_time(clock: Clock) -> RosTime:
    node: Any = SimpleNamespace(get_clock=lambda: clock, get_parameter=lambda name: SimpleNamespace(value=True))
    return RosTime(node)


def test_time_does_not_go_back_when_a_thread_is_held_up() -> None:
    """The executor's spin thread read the clock, was held up, and told the control thread of a time before the last
    tick: the chunk was dropped, and commands were stamped so that the arm seemed to leap (1 in 34 restarts)."""
    clock = Clock()
    time = ros_time(clock)
    slow = threading.Thread(target=time.now_ns, name="slow")
    slow.start()
    clock.held_up.wait(5.0)
    clock.nanoseconds = 150_000_000
    before = time.now_ns()
    clock.go_on.set()
    slow.join()
    assert time.now_ns() >= before >= 150_000_000


def test_a_simulation_that_is_turned_back_takes_time_with_it() -> None:
    """Time that only ever grows would stand still until the new run has come as far as the old one."""
    clock = Clock()
    time = ros_time(clock)
    assert time.now_ns() >= 100_000_000
    clock.nanoseconds = 5_000_000
    assert 5_000_000 <= time.now_ns() < 20_000_000


def test_stamps_carry_time_on_between_two_ticks_of_the_clock() -> None:
    """The control thread is five times as fast as the clock: without stamps, four of five commands had one stamp."""
    clock = Clock()
    time = ros_time(clock)
    time.now_ns()
    time.saw(104_000_000)
    assert 104_000_000 <= time.now_ns() <= 114_000_000
