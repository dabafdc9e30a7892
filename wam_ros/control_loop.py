"""The executor's own thread: one tick per control period on the steady clock, whatever the rest of the process does."""

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np

from wam_core.contract import JointCommand, RobotState
from wam_core.executor.executor import Executor
from wam_core.executor.filters.watchdogs import usable
from wam_core.realtime import awake, favour_thread
from wam_ros.histogram import Histogram

#: A loop that is behind by more than this skips the ticks it missed.
CATCH_UP_S = 0.01


class ControlLoop:
    """Runs :meth:`Executor.tick` between a state source and a command sink.

    Attributes:
        lateness, compute: seconds that ticks began late and took, since the loop was made.
        moving: whether the reference of the last tick was moving.
        missed: ticks that were skipped.
        problem: what the last tick failed with, "" when it did not.
    """

    def __init__(
        self,
        executor: Executor,
        read_state: Callable[[], RobotState | None],
        now_ns: Callable[[], int],
        send: Callable[[JointCommand], None],
        priority: int,
        say: Callable[[str], object],
        complain: Callable[[str], object],
    ) -> None:
        """``read_state`` returns the newest state and ``now_ns`` the ROS time; both are called from the loop's thread.

        Args:
            priority: real-time priority; 0 for none, and for processors that may sleep between ticks.
            say: takes one sentence on what the operating system allowed.
            complain: takes the problem of each tick that failed.
        """
        self.lateness, self.compute = Histogram(), Histogram()
        self.moving = False
        self.missed = 0
        self.problem = ""
        self._executor = executor
        self._read_state, self._now_ns, self._send = read_state, now_ns, send
        self._priority, self._say, self._complain = priority, say, complain
        self._stopping = threading.Event()
        self._begin_ns: int | None = None
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    @property
    def has_state(self) -> bool:
        """Whether the arm was seen, with a state to begin from, since the loop was started."""
        return self._begin_ns is None

    def start(self, begin_ns: int) -> None:
        """Start; the executor begins from the first state measured after ``begin_ns``."""
        self._begin_ns = begin_ns
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the arm's own controller takes over."""
        self._stopping.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        with awake() if self._priority else nullcontext("processors may sleep, as asked") as processors:
            self._say(f"control thread: {favour_thread(self._priority)}, {processors}")
            self._pace()

    def _pace(self) -> None:
        period = 1.0 / self._executor.robot.rates.control_hz
        due = time.monotonic()
        while not self._stopping.is_set():
            begin = time.monotonic()
            self._tick()
            end = time.monotonic()
            self.lateness.add(begin - due)
            self.compute.add(end - begin)
            due += period
            if due > end:
                time.sleep(due - end)
            elif end - due > CATCH_UP_S:
                skipped = int((end - due) / period)
                self.missed += skipped
                due += skipped * period

    def _tick(self) -> None:
        try:
            self._control()
            self.problem = ""
        except Exception as error:  # whatever it is: a thread that ended would leave the arm without anybody knowing
            problem = f"control failed: {type(error).__name__}: {error}"
            self._executor.stop(problem)
            self.problem = problem
            self._complain(problem)

    def _control(self) -> None:
        state, now_ns = self._read_state(), self._now_ns()
        if self._begin_ns is not None:
            joints = len(self._executor.robot.joint_names)
            if state is None or state.stamp_ns < self._begin_ns or not usable(state, joints):
                return
            self._executor.reset(state)
            self._begin_ns = None
        command = self._executor.tick(state, now_ns)
        self.moving = bool(np.any(command.velocity[: len(self._executor.robot.joints)]))
        if np.isfinite(command.position).all() and not self._executor.adrift:
            self._send(command)
