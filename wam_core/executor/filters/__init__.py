"""The safety filters, in the order in which they act. Each is ``(command, state, context) -> (command, events)``."""

from collections.abc import Callable

from wam_core.contract import FloatArray, RobotState
from wam_core.executor.events import SafetyEvent
from wam_core.executor.filters.context import Context
from wam_core.executor.filters.effort import finite_effort, torque, torque_rate
from wam_core.executor.filters.motion import (
    acceleration,
    finite,
    jerk,
    position,
    tool_speed,
    velocity,
    workspace,
)
from wam_core.executor.filters.watchdogs import chunk_age, state_age, state_finite, tracking_error
from wam_core.executor.shaping import Motion

MotionFilter = Callable[[Motion, RobotState | None, Context], tuple[Motion, tuple[SafetyEvent, ...]]]
EffortFilter = Callable[[FloatArray, RobotState | None, Context], tuple[FloatArray, tuple[SafetyEvent, ...]]]

#: On the joint reference. Those that only scale come before those that verify the stop of the result.
MOTION_FILTERS: tuple[MotionFilter, ...] = (
    state_finite,
    state_age,
    chunk_age,
    tracking_error,
    finite,
    velocity,
    acceleration,
    jerk,
    tool_speed,
    position,
    workspace,
)

#: On the efforts computed from the filtered reference.
EFFORT_FILTERS: tuple[EffortFilter, ...] = (finite_effort, torque, torque_rate)
