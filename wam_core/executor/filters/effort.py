"""Filters on the efforts: not a number, greatest torque, greatest change of torque."""

import math

import numpy as np

from wam_core.contract import FloatArray, RobotState
from wam_core.executor.events import Action, SafetyEvent
from wam_core.executor.filters.context import SLACK, Context

Result = tuple[FloatArray, tuple[SafetyEvent, ...]]


def finite_effort(effort: FloatArray, state: RobotState | None, context: Context) -> Result:
    """An effort that is not a number is replaced by the last one sent."""
    if math.isfinite(effort.sum()):
        return effort, ()
    joint = context.robot.joint_names[int(np.argmax(~np.isfinite(effort)))]
    event = SafetyEvent("EFFORT_NOT_FINITE", "finite_effort", joint, float("nan"), 0.0, "N m", Action.STOPPED, True)
    return context.previous_effort, (event,)


def torque(effort: FloatArray, state: RobotState | None, context: Context) -> Result:
    """Arm torque and gripper force clipped to their limits."""
    limit = context.torque_limit
    return _clip("TORQUE_LIMIT", "torque", "N m", effort, 0.0, limit, limit, context)


def torque_rate(effort: FloatArray, state: RobotState | None, context: Context) -> Result:
    """Change of arm torque since the last effort clipped to the rate limit."""
    rate = context.torque_rate_limit
    return _clip("TORQUE_RATE", "torque_rate", "N m/s", effort, context.previous_effort, rate * context.dt, rate,
                 context, 1.0 / context.dt)  # fmt: skip


def _clip(
    code: str,
    name: str,
    unit: str,
    effort: FloatArray,
    centre: FloatArray | float,
    reach: FloatArray,
    limit: FloatArray,
    context: Context,
    per: float = 1.0,
) -> Result:
    change = effort - centre
    excess = np.abs(change) - reach
    if excess.max() <= SLACK:
        return effort, ()
    joint = int(np.argmax(excess))
    event = SafetyEvent(
        code,
        name,
        context.robot.joint_names[joint],
        float(change[joint] * per),
        float(limit[joint]),
        unit,
        Action.CLIPPED,
    )
    return centre + np.minimum(np.maximum(change, -reach), reach), (event,)
