"""Inverse dynamics of the arm: recursive Newton-Euler (Luh, Walker, Paul 1980) as implemented in Pinocchio."""

import pinocchio as pin
from scipy.linalg.lapack import dposv

from wam_core.contract import FloatArray
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import arm_model


class Dynamics:
    """Rigid-body torques of the arm, fingers locked. Not thread-safe: it owns one Pinocchio workspace."""

    def __init__(self, robot: RobotContract) -> None:
        self._model = arm_model(robot)
        self._data = self._model.createData()

    def inverse_dynamics(self, q: FloatArray, v: FloatArray, a: FloatArray) -> FloatArray:
        """Torque ``[J]`` (N m) for acceleration ``a`` (rad/s^2) at ``q`` (rad), ``v`` (rad/s), gravity and Coriolis
        included."""
        return pin.rnea(self._model, self._data, q, v, a).copy()

    def gravity(self, q: FloatArray) -> FloatArray:
        """Torque ``[J]`` (N m) that holds the arm still at ``q`` (rad)."""
        return pin.computeGeneralizedGravity(self._model, self._data, q).copy()

    def acceleration(self, q: FloatArray, torque: FloatArray, added_inertia: FloatArray) -> FloatArray:
        """``(M(q) + diag(added_inertia))^-1 torque``: rad/s^2 from N m with ``added_inertia [J]`` in kg m^2."""
        mass = pin.crba(self._model, self._data, q)
        mass.reshape(-1)[:: len(q) + 1] += added_inertia
        return dposv(mass, torque, lower=0)[1]
