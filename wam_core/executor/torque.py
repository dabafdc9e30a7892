"""Computed torque: the arm's inverse dynamics along the reference, with gains on the tracking error."""

from wam_core.contract import FloatArray, RobotState
from wam_core.executor.shaping import Motion
from wam_core.robot.contract import Gains
from wam_core.robot.dynamics import Dynamics


def computed_torque(dynamics: Dynamics, gains: Gains, motion: Motion, state: RobotState | None) -> FloatArray:
    """Torque ``[J]`` (N m), gravity included, before any limit (Siciliano et al., Robotics, 2009, 8.5.1, with the
    dynamics taken at the reference).

    Without a usable state there is no feedback: only what the reference itself needs, which at rest is gravity.
    """
    torque = dynamics.inverse_dynamics(*motion)
    if state is None:
        return torque
    return (
        torque
        + gains.stiffness * (motion.q - state.position[:-1])
        + gains.damping * (motion.v - state.velocity[:-1])
    )
