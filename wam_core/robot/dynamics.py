"""Inverse dynamics of the arm: recursive Newton-Euler (Luh, Walker, Paul 1980) as implemented in Pinocchio."""

import numpy as np
import pinocchio as pin
from scipy.linalg.lapack import dposv

from wam_core.contract import FloatArray
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import arm_model

#: Coulomb friction is fully there at about twice this speed (rad/s); below it fades, as its direction is not known.
STICTION_SPEED = 0.02


class Dynamics:
    """Torques of the arm, fingers locked: links, payload, and the drives' inertia and friction as far as the contract
    names them. Not thread-safe: it owns one Pinocchio workspace."""

    def __init__(self, robot: RobotContract) -> None:
        self._model = arm_model(robot)
        self._data = self._model.createData()
        self._drive = robot.drive

    def inverse_dynamics(self, q: FloatArray, v: FloatArray, a: FloatArray) -> FloatArray:
        """Torque ``[J]`` (N m) for acceleration ``a`` (rad/s^2) at ``q`` (rad), ``v`` (rad/s): gravity, Coriolis and
        friction included."""
        torque = pin.rnea(self._model, self._data, q, v, a).copy()
        if self._drive is not None:
            torque += self._drive.viscous * v + self._drive.coulomb * np.tanh(v / STICTION_SPEED)
        return torque

    def gravity(self, q: FloatArray) -> FloatArray:
        """Torque ``[J]`` (N m) that holds the arm still at ``q`` (rad)."""
        return pin.computeGeneralizedGravity(self._model, self._data, q).copy()

    def acceleration(self, q: FloatArray, torque: FloatArray, added_inertia: FloatArray) -> FloatArray:
        """``(M(q) + diag(added_inertia))^-1 torque``: rad/s^2 from N m with ``added_inertia [J]`` in kg m^2."""
        mass = pin.crba(self._model, self._data, q)
        mass.reshape(-1)[:: len(q) + 1] += added_inertia
        return dposv(mass, torque, lower=0)[1]
