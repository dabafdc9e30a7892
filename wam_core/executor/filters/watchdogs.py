"""Filters on what the command is based on: the measured state, the age of state and chunk, the tracking error."""

import math

import numpy as np

from wam_core.contract import RobotState
from wam_core.executor.events import Action, SafetyEvent
from wam_core.executor.filters.context import Context
from wam_core.executor.shaping import Motion

Result = tuple[Motion, tuple[SafetyEvent, ...]]


def usable(state: RobotState | None, joints: int) -> bool:
    """Whether ``state`` has ``joints`` finite positions and velocities."""
    return (
        state is not None
        and state.position.shape == (joints,)
        and state.velocity.shape == (joints,)
        and math.isfinite((state.position + state.velocity).sum())
    )


def state_finite(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """No state, a wrong shape or NaN: stop; latched once no usable state was seen for ``state_latch_s``."""
    names = context.robot.joint_names
    if context.state_usable:
        return motion, ()
    latch = context.state_lost_s > context.settings.state_latch_s
    if state is None:
        event = SafetyEvent("STATE_MISSING", "state_finite", "", context.state_lost_s, 0.0, "s", Action.STOPPED, latch)
        return context.brake, (event,)
    if state.position.shape != (len(names),) or state.velocity.shape != (len(names),):
        found = float(state.position.size)
        event = SafetyEvent("STATE_SHAPE", "state_finite", "", found, len(names), "joints", Action.STOPPED, latch)
        return context.brake, (event,)
    bad = ~(np.isfinite(state.position) & np.isfinite(state.velocity))
    joint = names[int(np.argmax(bad))]
    value = float(state.position[int(np.argmax(bad))])
    event = SafetyEvent("STATE_NOT_FINITE", "state_finite", joint, value, 0.0, "rad", Action.STOPPED, latch)
    return context.brake, (event,)


def state_age(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """A state older than the contract allows, or from the future: stop; latched after ``state_latch_s``."""
    age, limit = context.state_age_s, context.robot.staleness.state_s
    if -context.settings.future_s <= age <= limit:
        return motion, ()
    code = "STATE_STALE" if age > limit else "STATE_FUTURE"
    latch = context.state_lost_s > context.settings.state_latch_s
    return context.brake, (SafetyEvent(code, "state_age", "", age, limit, "s", Action.STOPPED, latch),)


def chunk_age(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """The last step was due longer ago than the contract allows: stop and hold until a fresh chunk arrives."""
    limit = context.robot.staleness.chunk_s
    if context.chunk_age_s is None or context.chunk_age_s <= limit:
        return motion, ()
    return context.brake, (
        SafetyEvent("CHUNK_STALE", "chunk_age", "", context.chunk_age_s, limit, "s", Action.STOPPED),
    )


def tracking_error(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """The arm is not where it was told to be: the reference may only move towards it; far off or for long, the stop
    latches."""
    if state is None or not context.state_usable:
        return motion, ()
    measured = state.position[: len(motion.q)]
    error = np.abs(context.previous.q - measured)
    joint = int(error.argmax())
    value = float(error[joint])
    if value <= context.settings.tracking_hold_rad:
        return motion, ()
    far = value > context.settings.tracking_stop_rad
    latch = far or context.astray_s > context.settings.tracking_latch_s
    limit = context.settings.tracking_stop_rad if far else context.settings.tracking_hold_rad
    action = Action.STOPPED if latch else Action.HELD
    event = SafetyEvent(
        "TRACKING_ERROR", "tracking_error", context.robot.joints[joint], value, limit, "rad", action, latch
    )
    nears = (np.abs(motion.q - measured) <= error).all()
    return (motion if nears else context.brake), (event,)
