"""What a chunk asks for beyond what the arm may do: it is followed as far as is allowed, and this says so."""

from collections.abc import Callable, Mapping

import numpy as np

from wam_core.contract import FloatArray
from wam_core.executor.events import Action, SafetyEvent
from wam_core.executor.timeline import Sample, Track, unwrap
from wam_core.robot.contract import RobotContract


def remarks(
    robot: RobotContract, space: str, track: Track, reference: Sample, now_ns: int, fade_ns: int
) -> tuple[SafetyEvent, ...]:
    """At most one remark on the range and one on the speed of a chunk that takes over.

    Args:
        track: the chunk's. reference: where the arm is told to be, which may lag behind what was executed before.
        fade_ns: time there is to get to the track.
    """
    if space not in DEMANDS:
        return ()
    knots = track.knots()
    there = track.sample(now_ns).values
    jump = (there - unwrap(space, reference.values[None], there)[0]) / (max(fade_ns, robot.step_ns // 4) * 1e-9)
    begin_ns = min(track.times_ns[0], now_ns)  # what begins a little later is already being approached
    seconds = 1e-9 * np.diff(np.array([begin_ns, *track.times_ns[1:]]) - begin_ns)[:, None]
    secants = np.vstack([np.diff(knots, axis=0) / seconds, jump])
    return DEMANDS[space](robot, knots, secants)


def _joint_position(robot: RobotContract, knots: FloatArray, rates: FloatArray) -> tuple[SafetyEvent, ...]:
    limits, arms = robot.limits, len(robot.joints)
    beyond = np.maximum(knots[:, :arms] - limits.upper, limits.lower - knots[:, :arms]).max(axis=0)
    fast = np.abs(rates[:, :arms]).max(axis=0)
    joint, hasty = int(beyond.argmax()), int((fast / limits.velocity).argmax())
    return (
        *_remark("DEMAND_RANGE", robot.joints[joint], beyond[joint], 0.0, "rad", Action.CLIPPED),
        *_remark("DEMAND_SPEED", robot.joints[hasty], fast[hasty], limits.velocity[hasty], "rad/s", Action.SCALED),
    )


def _ee_pose(robot: RobotContract, knots: FloatArray, rates: FloatArray) -> tuple[SafetyEvent, ...]:
    box = robot.workspace
    beyond = np.maximum(knots[:, :3] - box.upper, box.lower - knots[:, :3]).max(axis=0)
    axis = int(beyond.argmax())
    fast, spin = (float(np.linalg.norm(rates[:, k : k + 3], axis=1).max()) for k in (0, 3))
    return (
        *_remark("DEMAND_RANGE", "xyz"[axis], beyond[axis], 0.0, "m", Action.CLIPPED),
        *_remark("DEMAND_SPEED", robot.tool_frame, fast, box.speed, "m/s", Action.SCALED),
        *_remark("DEMAND_SPEED", "rotation", spin, float(robot.limits.velocity.max()), "rad/s", Action.SCALED),
    )


def _remark(code: str, joint: str, value: float, limit: float, unit: str, action: Action) -> tuple[SafetyEvent, ...]:
    return (SafetyEvent(code, "demand", joint, float(value), float(limit), unit, action),) if value > limit else ()


#: Spaces in which a chunk says where to be. ``(robot, knots [K, N], rates [R, N] per s) -> remarks``.
DEMANDS: Mapping[str, Callable[[RobotContract, FloatArray, FloatArray], tuple[SafetyEvent, ...]]] = {
    "joint_position": _joint_position,
    "ee_pose": _ee_pose,
}
