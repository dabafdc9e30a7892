"""The finger joints: a velocity-limited reference and a position controller with bounded force."""

from typing import NamedTuple

import numpy as np

from wam_core.contract import FloatArray, RobotState
from wam_core.robot.fingers import Fingers


class Grasp(NamedTuple):
    """Reference of the finger joints, ``[K]`` each: m and m/s, or rad and rad/s."""

    position: FloatArray
    velocity: FloatArray


def advance(fingers: Fingers, grasp: Grasp, goal: FloatArray | None, dt: float) -> Grasp:
    """Move the reference towards ``goal [K]`` (brought within limits), each joint at up to its velocity; None keeps
    it."""
    if goal is None:
        return Grasp(grasp.position, np.zeros_like(grasp.position))
    reach = fingers.velocity * dt
    within = np.minimum(np.maximum(goal, fingers.lower), fingers.upper)
    step = np.minimum(np.maximum(within - grasp.position, -reach), reach)
    return Grasp(grasp.position + step, step / dt)


def loosened(fingers: Fingers, grasp: Grasp, goal: FloatArray) -> FloatArray:
    """``goal [K]`` where it opens the fingers, and where they are where it would close them."""
    opens = (goal - grasp.position) * (fingers.open - fingers.closed) >= 0.0
    return np.where(opens, goal, grasp.position)


def force(fingers: Fingers, grasp: Grasp, state: RobotState | None) -> FloatArray:
    """Force ``[K]`` on the finger joints (N, N m); zero without a usable state."""
    if state is None:
        return np.zeros_like(grasp.position)
    first = len(state.position) - len(grasp.position)
    return fingers.stiffness * (grasp.position - state.position[first:]) + fingers.damping * (
        grasp.velocity - state.velocity[first:]
    )
