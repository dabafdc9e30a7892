"""Differential inverse kinematics: damped least squares with a posture task and joint limits.

Resolved rates (Whitney 1969) with singularity damping (Nakamura and Hanafusa 1986), a null-space posture task, and
joints that reach a bound taken out of the solution (Flacco, De Luca, Khatib 2012, one pass). An arm of fewer than six
joints keeps the position exactly and turns as far as that leaves it free (task priority; Nakamura, Hanafusa, Yoshikawa
1987).
"""

import math
from dataclasses import dataclass

import numpy as np
import pinocchio as pin
from scipy.linalg.lapack import dposv

from wam_core.contract import FloatArray
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics

#: Added to ``J J^T`` everywhere, so that it can be factored at a singularity too.
LEAST_DAMPING = 1e-8

IDENTITY = {3: np.eye(3), 6: np.eye(6)}

#: ``[2, 1]``: towards the upper and the lower bound.
UP_DOWN = np.array([[1.0], [-1.0]])


@dataclass(frozen=True)
class IkSettings:
    """Gains of the closed loop.

    Attributes:
        gain: 1/s on the pose error; ``linear_deceleration`` (m/s^2) and ``angular_deceleration`` (rad/s^2) lower it for
            large errors, so that the approach can be braked.
        posture: 1/s towards home in the null space.
        damping: greatest damping factor, reached at a singularity; ``manipulability`` is the measure
            ``sqrt(det(J J^T))`` below which it grows from zero, ``linear_manipulability`` (m^3) that of the position
            alone.
        limit_gain: 1/s; a joint approaches its bound, and the tool the workspace box, no faster than
            ``limit_gain * distance``, nor faster than it can brake.
    """

    gain: float = 25.0
    linear_deceleration: float = 3.0
    angular_deceleration: float = 10.0
    posture: float = 0.5
    damping: float = 0.15
    manipulability: float = 0.03
    linear_manipulability: float = 0.0005
    limit_gain: float = 4.0


class DifferentialIK:
    """Joint rates that bring the tool to a pose while moving with a given twist."""

    def __init__(self, robot: RobotContract, kinematics: Kinematics, settings: IkSettings) -> None:
        self._kinematics = kinematics
        self._settings = settings
        self._home = robot.home
        limits, box = robot.limits, robot.workspace
        self._velocity, self._speed = limits.velocity, box.speed
        self._bounds = np.array([[*limits.upper, *box.upper], [*limits.lower, *box.lower]])
        self._twice_deceleration = np.append(limits.acceleration, np.full(3, 2.0 * settings.linear_deceleration))
        self._solve = self._as_one if len(robot.joints) >= 6 else self._position_first

    def rates(
        self, q: FloatArray, rotation: FloatArray, position: FloatArray, twist: FloatArray, scale: float
    ) -> FloatArray:
        """Joint rates ``[J]`` (rad/s), scaled as one so that joint and tool speed stay within ``scale`` of the limits.

        Args:
            q: ``[J]`` rad, where the rates apply.
            rotation, position: target tool pose in the base frame.
            twist: ``[6]`` velocity of the target, linear (m/s) then angular (rad/s), base axes.
            scale: share of the velocity limits that may be used, 0..1.
        """
        s = self._settings
        here_rotation, here, jacobian = self._kinematics.tool_and_jacobian(q)
        wanted = twist.copy()
        wanted[:3] += approach(position - here, s.gain, s.linear_deceleration)
        wanted[3:] += approach(pin.log3(rotation @ here_rotation.T), s.gain, s.angular_deceleration)
        up, down = self._most(np.concatenate((q, here)))
        wanted[:3] = np.minimum(np.maximum(wanted[:3], -down[-3:]), up[-3:])
        top = scale * self._speed
        speed = math.sqrt(wanted[:3] @ wanted[:3])
        if speed > top:
            wanted *= top / speed
        posture = s.posture * (self._home - q)
        rates = posture + self._solve(jacobian, wanted - jacobian @ posture)
        low, high = -down[:-3], up[:-3]
        bounded = np.minimum(np.maximum(rates, low), high)
        free = bounded == rates
        if not free.all():
            rest = wanted - jacobian[:, ~free] @ bounded[~free]
            reduced = jacobian[:, free]
            bounded[free] = posture[free] + self._solve(reduced, rest - reduced @ posture[free])
            rates = np.minimum(np.maximum(bounded, low), high)
        share = float((np.abs(rates) / self._velocity).max())
        return rates if share <= scale else rates * (scale / share)

    def _most(self, place: FloatArray) -> FloatArray:
        """``[2, J + 3]``: greatest speed of each joint, then of the tool along each axis, towards the upper and the
        lower bound, that leaves room to brake; zero beyond the bound."""
        room = np.maximum(UP_DOWN * (self._bounds - place), 0.0)
        return np.minimum(self._settings.limit_gain * room, np.sqrt(self._twice_deceleration * room))

    def _as_one(self, jacobian: FloatArray, twist: FloatArray) -> FloatArray:
        return jacobian.T @ self._damped(jacobian, twist, self._settings.manipulability)

    def _position_first(self, jacobian: FloatArray, twist: FloatArray) -> FloatArray:
        linear, angular = jacobian[:3], jacobian[3:]
        rates = linear.T @ self._damped(linear, twist[:3], self._settings.linear_manipulability)
        # What turns the tool without moving it; of less than full rank, so that it is always damped.
        still = angular - angular @ linear.T @ self._damped(linear, linear, self._settings.linear_manipulability)
        gram = still @ still.T + self._settings.damping**2 * IDENTITY[3]
        return rates + still.T @ dposv(gram, twist[3:] - angular @ rates)[1]

    def _damped(self, jacobian: FloatArray, right: FloatArray, manipulability: float) -> FloatArray:
        """``(J J^T + damping^2)^-1 right``, damped as far as ``sqrt(det(J J^T))`` is below ``manipulability``."""
        identity = IDENTITY[len(jacobian)]
        gram = jacobian @ jacobian.T + LEAST_DAMPING * identity
        factor, solution, _ = dposv(gram, right)
        measure = math.prod(factor.diagonal().tolist())  # sqrt(det(J J^T)) off the Cholesky factor
        shortfall = 1.0 - measure / manipulability
        if shortfall > 0.0:
            solution = dposv(gram + (self._settings.damping * shortfall) ** 2 * identity, right)[1]
        return solution


def approach(error: FloatArray, gain: float, deceleration: float) -> FloatArray:
    """Velocity towards zero ``error`` (a vector): proportional when near, ``sqrt(2 d |error|)`` when far."""
    distance = math.sqrt(error @ error)
    if distance * gain * gain <= 2.0 * deceleration:
        return gain * error
    return error * math.sqrt(2.0 * deceleration / distance)
