"""Computed torque: the arm's inverse dynamics along the reference, with gains on the tracking error."""

import numpy as np

from wam_core.contract import FloatArray, JointCommand, RobotState
from wam_core.executor.shaping import Motion
from wam_core.robot.contract import Gains, RobotContract
from wam_core.robot.dynamics import Dynamics


def computed_torque(
    dynamics: Dynamics, gains: Gains, motion: Motion, state: RobotState | None, horizon: float
) -> FloatArray:
    """Torque ``[J]`` (N m), gravity included, before any limit.

    Inverse dynamics along the reference, plus stiffness and damping on the error taken ``horizon`` s ahead, an implicit
    step (Tan, Liu, Turk, "Stable Proportional-Derivative Controllers", 2011): explicit damping is unstable
    where ``damping * dt`` exceeds twice a joint's inertia, as it does at a wrist.

    Without a usable state there is no feedback: only what the reference itself needs, which at rest is gravity.
    """
    q, v, a = motion
    if state is None:
        return dynamics.inverse_dynamics(q, v, a)
    slip = v - state.velocity[: len(v)]
    pull = gains.stiffness * (q - state.position[: len(q)] + horizon * slip) + gains.damping * slip
    return dynamics.inverse_dynamics(
        q, v, a + dynamics.acceleration(q, pull, horizon * (gains.damping + horizon * gains.stiffness))
    )


def servo_target(robot: RobotContract, command: JointCommand) -> FloatArray:
    """``[J + K]`` rad (m), within the position limits, for joints whose own position control has the contract's gains.

    A servo of stiffness k and damping d that is at the reference and is told to go ``(effort + d v) / k`` further
    exerts ``effort``: with that of the inverse dynamics it neither sags nor lags.
    """
    fingers = robot.fingers
    stiffness = np.concatenate([robot.gains.stiffness, fingers.stiffness])
    damping = np.concatenate([robot.gains.damping, fingers.damping])
    low = np.concatenate([robot.limits.lower, fingers.lower])
    high = np.concatenate([robot.limits.upper, fingers.upper])
    return np.clip(command.position + (command.effort + damping * command.velocity) / stiffness, low, high)
