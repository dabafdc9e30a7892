"""The gripper joint: a velocity-limited reference and a position controller with bounded force."""

from typing import NamedTuple

from wam_core.contract import RobotState
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.contract import Gripper


class Finger(NamedTuple):
    """Reference of the gripper joint: m, m/s."""

    position: float
    velocity: float


def advance(gripper: Gripper, finger: Finger, opening: float | None, dt: float) -> Finger:
    """Move the reference towards ``opening`` (0 closed .. 1 open) at up to the gripper's velocity; None keeps it."""
    if opening is None:
        return Finger(finger.position, 0.0)
    goal = gripper.closed + min(max(opening, 0.0), 1.0) * (gripper.open - gripper.closed)
    reach = gripper.velocity * dt
    step = min(max(goal - finger.position, -reach), reach)
    return Finger(finger.position + step, step / dt)


def force(finger: Finger, state: RobotState | None, settings: ExecutorSettings) -> float:
    """Force on the finger joint (N); zero without a usable state."""
    if state is None:
        return 0.0
    return settings.gripper_stiffness * (finger.position - float(state.position[-1])) + settings.gripper_damping * (
        finger.velocity - float(state.velocity[-1])
    )
