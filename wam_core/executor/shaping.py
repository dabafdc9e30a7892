"""Jerk-limited shaping: the next reference from wanted joint rates, and the stop from any reference.

Following uses a saturated linear law instead of a time-optimal one: re-planned every tick, a time-optimal path to a
moving target switches between full positive and full negative jerk. Stopping is time-optimal (Ruckig; Berscheid and
Kroeger, "Jerk-limited Real-time Trajectory Generation with Arbitrary Target States", RSS 2021).
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from math import ceil
from typing import NamedTuple

import numpy as np
from ruckig import ControlInterface, InputParameter, Result, Ruckig, Synchronization, Trajectory

from wam_core.contract import FloatArray
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.contract import RobotContract

#: Time between the samples at which a stop is looked at (s). At the tool speeds arms have, nothing moves further in it
#: than twice the least distance that is kept.
STOP_GRID_S = 0.005

#: ``[2, 1]``: towards the upper and the lower bound.
UP_DOWN = np.array([[1.0], [-1.0]])


class Motion(NamedTuple):
    """Joint reference ``[J]`` each: position (rad), velocity (rad/s), acceleration (rad/s^2)."""

    q: FloatArray
    v: FloatArray
    a: FloatArray


@dataclass(frozen=True, eq=False)
class StopPlan:
    """A jerk-limited way to rest, as fast as the slowest joint allows and together for all: joints that stopped
    each on their own would leave the path and could speed the tool up.

    Attributes:
        rest: ``[J]`` rad, where it ends.
        lower, upper: ``[J]`` rad, extremes of each joint on the way.
        slowest, fastest: ``[J]`` rad/s, extremes of each joint's velocity on the way; zero, at rest, is between them.
        duration_s: time to rest.
    """

    rest: FloatArray
    lower: FloatArray
    upper: FloatArray
    slowest: FloatArray
    fastest: FloatArray
    duration_s: float
    path: Trajectory

    @cached_property
    def samples(self) -> tuple[FloatArray, FloatArray]:
        """``[N, J]`` rad and rad/s: the motion from the plan's start to rest, :data:`STOP_GRID_S` apart."""
        joints = len(self.rest)
        times = [k * STOP_GRID_S for k in range(ceil(self.duration_s / STOP_GRID_S))]
        found = [self.path.at_time(time_s) for time_s in (*times, self.duration_s)]
        flat = np.fromiter(chain.from_iterable(q + v for q, v, _ in found), float, 2 * joints * len(found))
        both = flat.reshape(len(found), 2, joints)
        return both[:, 0], both[:, 1]

    def at(self, time_s: float) -> Motion:
        """The motion ``time_s`` after the plan's start."""
        if time_s >= self.duration_s:
            return Motion(self.rest, np.zeros_like(self.rest), np.zeros_like(self.rest))
        q, v, a = self.path.at_time(time_s)
        return Motion(np.array(q), np.array(v), np.array(a))


class Shaper:
    """Advances a reference within shares of the robot's velocity, acceleration and jerk limits."""

    def __init__(self, robot: RobotContract, settings: ExecutorSettings) -> None:
        limits = robot.limits
        self._velocity = settings.velocity_share * limits.velocity
        self._acceleration = settings.acceleration_share * limits.acceleration
        self._jerk = settings.jerk_share * limits.jerk
        self._twice_per_jerk = 2.0 / self._jerk
        self._smoothing_s = settings.smoothing_s
        joints = len(robot.joints)
        self._generator = Ruckig(joints)
        self._request = InputParameter(joints)
        self._request.control_interface = ControlInterface.Velocity
        self._request.synchronization = Synchronization.Time
        self._request.target_velocity = [0.0] * joints
        self._request.target_acceleration = [0.0] * joints
        self._request.max_acceleration = self._acceleration.tolist()
        self._request.max_jerk = self._jerk.tolist()
        self._planned: tuple[Motion, StopPlan] | None = None

    @property
    def stop_s(self) -> float:
        """Longest time any reference within the shaping limits needs to come to rest, s."""
        ramp = self._acceleration / self._jerk
        return float(np.max(self._velocity / self._acceleration + 2.5 * ramp))

    def follow(self, motion: Motion, rates: FloatArray, dt: float) -> Motion:
        """The motion after ``dt`` s that tends to ``rates`` (rad/s) with the smoothing time constant.

        Jerk is constant over the tick; acceleration is bounded so that the velocity it still leads to,
        ``v + a |a| / 2 j``, stays within the velocity limit.
        """
        q, v, a = motion
        room = self._jerk * dt
        margin = self._velocity - UP_DOWN * (v + (0.5 * dt) * a)
        up, down = np.minimum(self._most(margin, dt), self._acceleration)
        wanted = (rates - v) / max(self._smoothing_s, dt)
        wanted = np.minimum(np.maximum(wanted, -down), up)
        after = a + np.minimum(np.maximum(wanted - a, -room), room)
        change = after - a
        return Motion(q + dt * (v + dt * (0.5 * a + change / 6.0)), v + dt * (a + 0.5 * change), after)

    def stop(self, motion: Motion) -> StopPlan:
        """The stop from ``motion``; asking again for the motion last asked for costs nothing.

        Raises:
            ArithmeticError: ``motion`` is not finite.
        """
        if self._planned is None or self._planned[0] is not motion:
            self._planned = (motion, self._plan(motion))
        return self._planned[1]

    def _plan(self, motion: Motion) -> StopPlan:
        request, path = self._request, Trajectory(len(motion.q))
        request.current_position = motion.q.tolist()
        request.current_velocity = motion.v.tolist()
        request.current_acceleration = motion.a.tolist()
        if self._generator.calculate(request, path) not in (Result.Working, Result.Finished):
            raise ArithmeticError(f"no stop from q={motion.q}, v={motion.v}, a={motion.a}")
        rest = np.array(path.at_time(path.duration)[0])
        lower, upper = np.minimum(motion.q, rest), np.maximum(motion.q, rest)
        # Velocity changes sign on the way only where acceleration already carries it past zero; Ruckig's own
        # position_extrema are zero for joints at rest.
        carried = motion.v + motion.a * np.abs(motion.a) / (2.0 * self._jerk)
        turns = motion.v * carried < 0.0
        if turns.any():
            turn = np.where(turns, motion.q + self._before_turn(motion), rest)
            lower, upper = np.minimum(lower, turn), np.maximum(upper, turn)
        slowest = np.minimum(np.minimum(motion.v, carried), 0.0)
        fastest = np.maximum(np.maximum(motion.v, carried), 0.0)
        return StopPlan(rest, lower, upper, slowest, fastest, path.duration, path)

    def _before_turn(self, motion: Motion) -> FloatArray:
        """Travel until velocity is zero under full jerk against the acceleration, for joints where it gets there."""
        v, a = -np.abs(motion.v), np.abs(motion.a)
        time = (a - np.sqrt(np.maximum(a * a + 2.0 * self._jerk * v, 0.0))) / self._jerk
        return np.sign(motion.v) * -time * (v + time * (0.5 * a - self._jerk * time / 6.0))

    def _most(self, margin: FloatArray, dt: float) -> FloatArray:
        """Greatest acceleration after ``dt`` from which velocity rises by no more than ``margin`` at full jerk."""
        return self._jerk * (np.sqrt(np.maximum(margin * self._twice_per_jerk + 0.25 * dt * dt, 0.0)) - 0.5 * dt)
