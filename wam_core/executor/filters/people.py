"""Filters for what people and the arm's own sense of touch say: override, dead-man switch, contact."""

import math

import numpy as np

from wam_core.contract import RobotState
from wam_core.executor.events import Action, SafetyEvent
from wam_core.executor.filters.context import Context
from wam_core.executor.shaping import Motion

Result = tuple[Motion, tuple[SafetyEvent, ...]]


def human_override(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """A person has the arm: stop until it is given back."""
    if not context.overridden:
        return motion, ()
    return context.brake, (SafetyEvent("HUMAN_OVERRIDE", "human_override", "", 1.0, 0.0, "pressed", Action.STOPPED),)


def dead_man(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """A dead-man switch that the robot file names and that is not held, or not heard of: stop."""
    safety = context.robot.safety
    if not safety.dead_man_topic or context.dead_man_s <= safety.dead_man_s:
        return motion, ()
    event = SafetyEvent("DEAD_MAN", "dead_man", "", context.dead_man_s, safety.dead_man_s, "s", Action.STOPPED)
    return context.brake, (event,)


def contact(motion: Motion, state: RobotState | None, context: Context) -> Result:
    """The tool pushed or twisted harder than allowed: it may only move the way it is pushed. Taxels pressed too hard
    say nothing of the way: hold. A limit on what is not measured: stop."""
    limits = context.robot.safety.contact
    if state is None or not context.state_usable:
        return motion, ()
    measured = (("wrench", state.wrench, limits.force + limits.torque), ("tactile", state.tactile, limits.taxel))
    for name, values, limit in measured:
        if limit > 0.0 and (values is None or not math.isfinite(values.sum())):
            event = SafetyEvent("CONTACT_UNKNOWN", "contact", name, float("nan"), limit, "N", Action.STOPPED)
            return context.brake, (event,)
    if limits.taxel > 0.0 and state.tactile is not None and state.tactile.max() > limits.taxel:
        taxel = context.robot.tactile[int(state.tactile.argmax())]
        value = float(state.tactile.max())
        return context.brake, (SafetyEvent("TAXEL_FORCE", "contact", taxel, value, limits.taxel, "N", Action.HELD),)
    if state.wrench is None:
        return motion, ()
    for first, limit, unit in ((0, limits.force, "N"), (3, limits.torque, "N m")):
        push = state.wrench[first : first + 3]
        value = math.sqrt(push @ push)
        if (
            limit > 0.0
            and value > limit
            and motion is not context.brake
            and not _gives_way(motion, push, first, context)
        ):
            event = SafetyEvent("CONTACT_FORCE", "contact", context.robot.tool_frame, value, limit, unit, Action.HELD)
            return context.brake, (event,)
    return motion, ()


def _gives_way(motion: Motion, push: np.ndarray, first: int, context: Context) -> bool:
    """Whether the tool moves, or is about to move, the way ``push`` (tool frame) goes."""
    rotation, _, jacobian = context.kinematics.tool_and_jacobian(motion.q)
    way = (rotation @ push) @ jacobian[first : first + 3]
    return bool(way @ motion.v >= 0.0)
