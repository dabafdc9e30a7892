"""Filters on the joint reference: position, velocity, acceleration, jerk, workspace box, tool speed, clearance.

The brake starts from the same reference as the command, so any mix of the two keeps the limits that both keep;
filters that scale move the command towards it. Filters that look ahead plan the stop from the command: from every
reference that is sent a verified stop is known, and it is what is executed when the next command has none.
"""

import math

import numpy as np

from wam_core.contract import FloatArray, RobotState
from wam_core.executor.events import Action, SafetyEvent
from wam_core.executor.filters.context import SLACK, Context
from wam_core.executor.shaping import Motion

#: A stop is at its fastest while it takes back the acceleration it began with; it is looked at after these times (s).
EARLY_STOP_S = (0.004, 0.009, 0.016, 0.025, 0.035)
#: Share of the tool speed that a stop may use, as it is looked at between samples; and below which it cannot matter.
STOP_SHARE, SAFE_SHARE = 0.99, 0.85
#: A stop that ends this far inside the workspace box does not leave it on the way (m).
WELL_INSIDE = 0.03

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


def workspace(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Tool inside the box now, halfway through the stop from here and at its end; one that starts outside may only
    move inwards."""
    if motion is context.brake:
        return motion, ()
    box, kinematics = context.robot.workspace, context.kinematics
    _, here = kinematics.tool(motion.q)
    stop = context.plan_stop(motion)
    _, rest = kinematics.tool(stop.rest)
    if np.maximum(np.maximum(here, rest) - box.upper, box.lower - np.minimum(here, rest)).max() <= -WELL_INSIDE:
        return motion, ()
    _, halfway = kinematics.tool(stop.at(0.5 * stop.duration_s).q)
    for place in (here, halfway, rest):
        if np.maximum(place - box.upper, box.lower - place).max() <= SLACK:
            continue
        _, before = kinematics.tool(context.previous.q)
        excess = np.maximum(place - np.maximum(box.upper, before), np.minimum(box.lower, before) - place)
        axis = int(np.argmax(excess))
        if excess[axis] > SLACK:
            limit = box.upper[axis] if place[axis] > box.upper[axis] else box.lower[axis]
            event = SafetyEvent(
                "WORKSPACE", "workspace", "xyz"[axis], float(place[axis]), float(limit), "m", Action.HELD
            )
            return context.brake, (event,)
    return motion, ()


def self_collision(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Distance of the arm to itself halfway through the stop from here and at its end; one that starts too near may
    only move apart."""
    if motion is context.brake:
        return motion, ()
    least, arm = context.settings.clearance, context.self_collision
    stop = context.plan_stop(motion)
    for q in (stop.at(0.5 * stop.duration_s).q, stop.rest):
        near = arm.clearance(q, least)
        if near.distance < least and near.distance < arm.clearance(context.previous.q, least).distance:
            pair = f"{near.first}, {near.second}"
            event = SafetyEvent("SELF_COLLISION", "self_collision", pair, near.distance, least, "m", Action.HELD)
            return context.brake, (event,)
    return motion, ()


def tool_speed(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """Linear speed of the tool: now, scaled towards the brake until it is within the limit, and on the stop ahead."""
    if motion is context.brake:
        return motion, ()
    limit = context.robot.workspace.speed
    jacobian = context.kinematics.jacobian(motion.q)[:3]
    fast = jacobian @ motion.v
    square = float(fast @ fast)
    events: tuple[SafetyEvent, ...] = ()
    if square > limit * limit + SLACK:
        slow = jacobian @ context.brake.v
        events = (_too_fast(context, math.sqrt(square), Action.SCALED),)
        motion = _mix(context.brake, motion, _share_at_speed(slow, fast, STOP_SHARE * limit))
    change = jacobian @ motion.a
    if math.sqrt(square) + EARLY_STOP_S[-1] * math.sqrt(change @ change) <= SAFE_SHARE * limit:
        return motion, ()
    stop = context.plan_stop(motion)
    for time_s in EARLY_STOP_S:
        ahead = stop.at(time_s)
        speed = context.kinematics.jacobian(ahead.q)[:3] @ ahead.v
        if speed @ speed > (STOP_SHARE * limit) ** 2:
            return context.brake, (_too_fast(context, math.sqrt(speed @ speed), Action.HELD),)
    return motion, events


def _too_fast(context: Context, speed: float, action: Action) -> SafetyEvent:
    limit = context.robot.workspace.speed
    return SafetyEvent("TOOL_SPEED", "tool_speed", context.robot.tool_frame, speed, limit, "m/s", action)


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
    room = np.sign(values[over]) * limit[over] - slow[over]
    share = float(np.clip(np.min(room / (values[over] - slow[over])), 0.0, 1.0))
    event = SafetyEvent(
        code, name, context.robot.joints[joint], float(values[joint]), float(limit[joint]), unit, Action.SCALED
    )
    return _mix(context.brake, motion, share), (event,)


def _mix(stop: Motion, motion: Motion, share: float) -> Motion:
    return Motion(
        stop.q + share * (motion.q - stop.q), stop.v + share * (motion.v - stop.v), stop.a + share * (motion.a - stop.a)
    )
