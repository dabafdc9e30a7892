"""What a safety filter may look at beside the command and the state."""

from collections.abc import Callable
from typing import NamedTuple

from wam_core.contract import FloatArray
from wam_core.executor.guard import Guards
from wam_core.executor.settings import ExecutorSettings
from wam_core.executor.shaping import Motion, StopPlan
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics

#: Numerical slack on every limit, in the limit's unit; far below any sensor's resolution.
SLACK = 1e-9


class Context(NamedTuple):
    """One tick.

    Attributes:
        guards: what a stop must not come near.
        plan_stop: the time-optimal way to rest from a motion.
        torque_limit, torque_rate_limit: ``[J + 1]`` N m and N m/s; the gripper's in N, its rate unlimited.
        dt: time since the last reference, s, as used for shaping.
        previous: the last reference.
        brake: the next reference on the stop that was verified last; filters may fall back on it as it is.
        previous_effort: ``[J + 1]`` last effort sent, N m (gripper N).
        state_usable: whether the state is finite and of the right shape.
        state_age_s: since the last usable state was measured; negative for a stamp ahead of the clock.
        state_lost_s: since a usable state was last seen.
        astray_s: since the arm went further than ``tracking_hold_rad`` from the reference, zero once it is back.
        chunk_age_s: since the last step was due; None without a chunk.
        overridden: whether a person has taken the arm.
        dead_man_s: since the dead-man switch was last known to be held; infinite if it is let go or was never heard.
    """

    robot: RobotContract
    settings: ExecutorSettings
    kinematics: Kinematics
    guards: Guards
    plan_stop: Callable[[Motion], StopPlan]
    torque_limit: FloatArray
    torque_rate_limit: FloatArray
    dt: float
    previous: Motion
    brake: Motion
    previous_effort: FloatArray
    state_usable: bool
    state_age_s: float
    state_lost_s: float
    astray_s: float
    chunk_age_s: float | None
    overridden: bool
    dead_man_s: float
