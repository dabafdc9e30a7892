"""Computed torque: the arm's inverse dynamics along the reference, with gains on the tracking error."""

from wam_core.contract import FloatArray, RobotState
from wam_core.executor.shaping import Motion
from wam_core.robot.contract import Gains
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
