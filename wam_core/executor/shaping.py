"""Jerk-limited shaping with Ruckig (Berscheid and Kroeger, RSS 2021): each tick re-plans from the last reference."""

from typing import NamedTuple

import numpy as np
from ruckig import ControlInterface, InputParameter, Result, Ruckig, Synchronization, Trajectory

from wam_core.contract import FloatArray
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.contract import RobotContract


class Motion(NamedTuple):
    """Joint reference ``[J]`` each: position (rad), velocity (rad/s), acceleration (rad/s^2)."""

    q: FloatArray
    v: FloatArray
    a: FloatArray


class StopPlan(NamedTuple):
    """The time-optimal jerk-limited way to rest: the motion after ``dt``, where it ends, and its joint extrema."""

    next: Motion
    rest: FloatArray
    lower: FloatArray
    upper: FloatArray
    duration_s: float


class Shaper:
    """Plans single ticks of motion within the robot's velocity, acceleration and jerk limits."""

    def __init__(self, robot: RobotContract, settings: ExecutorSettings) -> None:
        joints = len(robot.joints)
        limits = robot.limits
        self.velocity = settings.velocity_share * limits.velocity
        self.acceleration = settings.acceleration_share * limits.acceleration
        self.jerk = settings.jerk_share * limits.jerk
        self._generator = Ruckig(joints)
        self._path = Trajectory(joints)
        self._follow = self._input(joints)
        self._follow.max_velocity = self.velocity.tolist()
        self._stop = self._input(joints)
        self._stop.control_interface = ControlInterface.Velocity
        self._stop.target_velocity = [0.0] * joints
        self._stop.target_acceleration = [0.0] * joints

    @property
    def stop_s(self) -> float:
        """Longest time any reachable reference needs to come to rest, s."""
        ramp = self.acceleration / self.jerk
        return float(np.max(self.velocity / self.acceleration + 2.5 * ramp))

    def follow(self, motion: Motion, target: Motion, dt: float) -> Motion | None:
        """The next motion, ``dt`` s on the time-optimal way to ``target``; None when no way exists."""
        # Ruckig wants a target that can itself be braked within the velocity limit.
        acceleration = np.minimum(np.maximum(target.a, -self.acceleration), self.acceleration)
        top = self.velocity - acceleration * acceleration / (2.0 * self.jerk)
        request = self._follow
        request.current_position = motion.q.tolist()
        request.current_velocity = motion.v.tolist()
        request.current_acceleration = motion.a.tolist()
        request.target_position = target.q.tolist()
        request.target_velocity = np.minimum(np.maximum(target.v, -top), top).tolist()
        request.target_acceleration = acceleration.tolist()
        return self._plan(request, dt)

    def stop(self, motion: Motion, dt: float) -> StopPlan:
        """The stop from ``motion``.

        Raises:
            ArithmeticError: ``motion`` is not finite.
        """
        request = self._stop
        request.current_position = motion.q.tolist()
        request.current_velocity = motion.v.tolist()
        request.current_acceleration = motion.a.tolist()
        step = self._plan(request, dt)
        if step is None:
            raise ArithmeticError(f"no stop from q={motion.q}, v={motion.v}, a={motion.a}")
        rest, _, _ = self._path.at_time(self._path.duration)
        if self._path.duration == 0.0:  # Ruckig reports extrema of zero for an empty trajectory
            return StopPlan(step, motion.q, motion.q, motion.q, 0.0)
        lower, upper = np.array([(e.min, e.max) for e in self._path.position_extrema]).T
        return StopPlan(step, np.array(rest), lower, upper, self._path.duration)

    def _plan(self, request: InputParameter, dt: float) -> Motion | None:
        if self._generator.calculate(request, self._path) not in (Result.Working, Result.Finished):
            return None
        q, v, a = self._path.at_time(dt)
        return Motion(np.array(q), np.array(v), np.array(a))

    def _input(self, joints: int) -> InputParameter:
        request = InputParameter(joints)
        request.synchronization = Synchronization.No
        request.max_acceleration = self.acceleration.tolist()
        request.max_jerk = self.jerk.tolist()
        return request
