"""Filters on the joint reference: position, velocity, acceleration, jerk, tool speed, box, and distances.

The brake starts from the same reference as the command, so any mix of the two keeps the limits that both keep;
filters that scale move the command towards it. Filters that look ahead plan the stop from the command: from every
reference that is sent a verified stop is known, and it is what is executed when the next command has none.
"""

import math

import numpy as np

from wam_core.contract import FloatArray, RobotState
from wam_core.executor.events import Action, SafetyEvent
from wam_core.executor.filters.context import SLACK, Context
from wam_core.executor.guard import Guard
from wam_core.executor.shaping import Motion

#: Shares of the tool speed that commands and their stops may have: between two ticks, or two samples of a stop, the
#: tool is faster than at either.
SPEED_SHARE, STOP_SPEED_SHARE = 0.97, 0.99
#: Least depth of the tool inside its box (m): what a curved path may bulge out between two samples of a stop.
WALL = 1e-4

Result = tuple[Motion, tuple[SafetyEvent, ...]]


def finite(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """A reference that is not a number is replaced by the stop."""
    if math.isfinite((motion.q + motion.v + motion.a).sum()):
        return motion, ()
    bad = ~(np.isfinite(motion.q) & np.isfinite(motion.v) & np.isfinite(motion.a))
    joint = context.robot.joints[int(np.argmax(bad))]
    event = SafetyEvent("COMMAND_NOT_FINITE", "finite", joint, float("nan"), 0.0, "rad", Action.STOPPED)
    return context.brake, (event,)


def position(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Joint position now and throughout the stop from here; an arm that starts outside may only move inwards."""
    if motion is context.brake:
        return motion, ()
    limits = context.robot.limits
    stop = context.plan_stop(motion)
    if np.maximum(stop.upper - limits.upper, limits.lower - stop.lower).max() <= SLACK:
        return motion, ()
    above = stop.upper - np.maximum(limits.upper, context.previous.q)
    below = np.minimum(limits.lower, context.previous.q) - stop.lower
    excess = np.maximum(above, below)
    if excess.max() <= SLACK:
        return motion, ()
    joint = int(np.argmax(excess))
    up = above[joint] > below[joint]
    value, limit = (stop.upper, limits.upper) if up else (stop.lower, limits.lower)
    event = SafetyEvent(
        "POSITION_LIMIT",
        "position",
        context.robot.joints[joint],
        float(value[joint]),
        float(limit[joint]),
        "rad",
        Action.HELD,
    )
    return context.brake, (event,)


def velocity(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Joint velocity."""
    return _scale("VELOCITY_LIMIT", "velocity", "rad/s", motion, context, motion.v, context.brake.v,
                  context.robot.limits.velocity)  # fmt: skip


def acceleration(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Joint acceleration."""
    return _scale("ACCELERATION_LIMIT", "acceleration", "rad/s^2", motion, context, motion.a, context.brake.a,
                  context.robot.limits.acceleration)  # fmt: skip


def jerk(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Change of joint acceleration since the last reference."""
    before, per_second = context.previous.a, 1.0 / context.dt
    return _scale("JERK_LIMIT", "jerk", "rad/s^3", motion, context, (motion.a - before) * per_second,
                  (context.brake.a - before) * per_second, context.robot.limits.jerk)  # fmt: skip


def singularity(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Motion further into a singularity is slowed in proportion to what is left of manipulability (Yoshikawa 1985)."""
    limit = context.robot.safety.manipulability
    if motion is context.brake or limit == 0.0:
        return motion, ()
    left = context.kinematics.manipulability(motion.q)
    if left >= limit or left >= context.kinematics.manipulability(context.previous.q):
        return motion, ()
    slow = context.robot.limits.velocity * (left / limit)
    return _scale("SINGULARITY", "singularity", "rad/s", motion, context, motion.v, context.brake.v, slow)


def stop_speed(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Speed of joints and tool throughout the stop from here."""
    if motion is context.brake:
        return motion, ()
    stop, limits = context.plan_stop(motion), context.robot.limits
    joints = np.maximum(stop.fastest, -stop.slowest)
    excess = joints - np.maximum(limits.velocity, np.abs(context.previous.v))
    if excess.max() > SLACK:
        joint = int(excess.argmax())
        value, limit = float(joints[joint]), float(limits.velocity[joint])
        name = context.robot.joints[joint]
        return context.brake, (SafetyEvent("STOP_SPEED", "stop_speed", name, value, limit, "rad/s", Action.HELD),)
    limit, kinematics = STOP_SPEED_SHARE * context.robot.workspace.speed, context.kinematics
    reach = np.maximum(stop.upper - motion.q, motion.q - stop.lower)
    if kinematics.speed_within(motion.q, reach, stop.slowest, stop.fastest) <= limit:
        return motion, ()
    q, v = stop.samples
    for k in np.flatnonzero(kinematics.speed_bound(q, v) > limit):
        fast = kinematics.jacobian(q[k])[:3] @ v[k]
        if fast @ fast > limit * limit + SLACK:
            return context.brake, (
                SafetyEvent(
                    "STOP_SPEED",
                    "stop_speed",
                    context.robot.tool_frame,
                    math.sqrt(fast @ fast),
                    limit,
                    "m/s",
                    Action.HELD,
                ),
            )
    return motion, ()


def workspace(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Tool inside the box now and throughout the stop from here; one that starts outside may only move inwards."""
    return _guarded("WORKSPACE", "workspace", context.guards.workspace, WALL, motion, context)


def self_collision(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Distance of the arm to itself throughout the stop from here."""
    least = context.settings.clearance
    return _guarded("SELF_COLLISION", "self_collision", context.guards.self_collision, least, motion, context)


def environment(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Distance of the arm to the solids of the robot file throughout the stop from here."""
    least = context.robot.safety.environment_distance
    return _guarded("ENVIRONMENT", "environment", context.guards.environment, least, motion, context)


def keep_out(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Distance of the arm to the volumes it must not enter throughout the stop from here."""
    least = context.robot.safety.keep_out_distance
    return _guarded("KEEP_OUT", "keep_out", context.guards.keep_out, least, motion, context)


def tool_speed(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Linear speed of the tool, scaled towards the brake until it is within the limit."""
    if motion is context.brake:
        return motion, ()
    limit = SPEED_SHARE * context.robot.workspace.speed
    jacobian = context.kinematics.jacobian(motion.q)[:3]
    fast = jacobian @ motion.v
    square = float(fast @ fast)
    if square <= limit * limit + SLACK:
        return motion, ()
    slow = jacobian @ context.brake.v
    scaled = _mix(context.brake, motion, _share_at_speed(slow, fast, limit))
    return scaled, (
        SafetyEvent(
            "TOOL_SPEED", "tool_speed", context.robot.tool_frame, math.sqrt(square), limit, "m/s", Action.SCALED
        ),
    )


def _guarded(code: str, name: str, guard: Guard | None, least: float, motion: Motion, context: Context) -> Result:
    """The brake in place of a motion whose stop comes nearer than ``least`` to what is guarded."""
    if motion is context.brake or guard is None:
        return motion, ()
    near = guard.breach(context.plan_stop(motion), least, context.previous.q)
    if near is None:
        return motion, ()
    return context.brake, (SafetyEvent(code, name, near.where, near.value, least, "m", Action.HELD),)


def _share_at_speed(slow: FloatArray, fast: FloatArray, limit: float) -> float:
    """The greatest s in 0..1 with ``|slow + s (fast - slow)| <= limit``, 0 when ``slow`` itself is beyond it."""
    change = fast - slow
    a, b, c = float(change @ change), float(slow @ change), float(slow @ slow) - limit * limit
    return (-b + math.sqrt(b * b - a * c)) / a if c < 0.0 else 0.0


def _scale(
    code: str,
    name: str,
    unit: str,
    motion: Motion,
    context: Context,
    values: FloatArray,
    slow: FloatArray,
    limit: FloatArray,
) -> Result:
    excess = np.abs(values) - limit
    if excess.max() <= SLACK:
        return motion, ()
    over = excess > SLACK
    joint = int(np.argmax(excess / limit))
    room, change = np.sign(values[over]) * limit[over] - slow[over], values[over] - slow[over]
    share = float(np.clip(np.min(room / change), 0.0, 1.0)) if change.all() else 0.0
    event = SafetyEvent(
        code, name, context.robot.joints[joint], float(values[joint]), float(limit[joint]), unit, Action.SCALED
    )
    return _mix(context.brake, motion, share), (event,)


def _mix(stop: Motion, motion: Motion, share: float) -> Motion:
    return Motion(
        stop.q + share * (motion.q - stop.q), stop.v + share * (motion.v - stop.v), stop.a + share * (motion.a - stop.a)
    )
