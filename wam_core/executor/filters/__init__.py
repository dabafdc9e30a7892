"""The safety filters, in the order in which they act. Each is ``(command, state, context) -> (command, events)``."""

from collections.abc import Callable
from typing import TypeVar

from wam_core.contract import FloatArray, RobotState
from wam_core.executor.events import SafetyEvent
from wam_core.executor.filters.context import Context
from wam_core.executor.filters.effort import finite_effort, torque, torque_rate
from wam_core.executor.filters.motion import (
    acceleration,
    environment,
    finite,
    jerk,
    keep_out,
    position,
    self_collision,
    singularity,
    stop_speed,
    tool_speed,
    velocity,
    workspace,
)
from wam_core.executor.filters.people import contact, dead_man, human_override
from wam_core.executor.filters.watchdogs import chunk_age, state_age, state_finite, tracking_error
from wam_core.executor.shaping import Motion

C = TypeVar("C")
Filter = Callable[[C, RobotState | None, Context], tuple[C, tuple[SafetyEvent, ...]]]

#: On the joint reference. Those that only scale come before those that verify the stop of the result.
MOTION_FILTERS: tuple[Filter[Motion], ...] = (
    state_finite,
    state_age,
    chunk_age,
    human_override,
    dead_man,
    tracking_error,
    contact,
    finite,
    velocity,
    acceleration,
    jerk,
    singularity,
    tool_speed,
    stop_speed,
    position,
    workspace,
    environment,
    keep_out,
    self_collision,
)

#: On the efforts computed from the filtered reference.
EFFORT_FILTERS: tuple[Filter[FloatArray], ...] = (finite_effort, torque, torque_rate)

#: Names of the filters after which the measured state is not used for feedback.
STATE_FILTERS = (state_finite.__name__, state_age.__name__)


def apply(
    filters: tuple[Filter[C], ...], command: C, state: RobotState | None, context: Context
) -> tuple[C, tuple[SafetyEvent, ...]]:
    """Pass ``command`` through ``filters`` in order; the events of all of them."""
    events: tuple[SafetyEvent, ...] = ()
    for step in filters:
        command, found = step(command, state, context)
        if found:
            events += found
    return command, events
