"""The executor: chunks in, joint commands out, one tick at a time. The pipeline is :meth:`Executor.tick`."""

from collections import Counter

import numpy as np

from wam_core.contract import ActionChunk, JointCommand, RobotState
from wam_core.errors import look_up
from wam_core.executor.events import Action, SafetyEvent
from wam_core.executor.filters import EFFORT_FILTERS, MOTION_FILTERS
from wam_core.executor.filters.context import Context
from wam_core.executor.filters.watchdogs import usable
from wam_core.executor.gripper import Finger, advance, force
from wam_core.executor.intake import Intake, Seen, check_chunk
from wam_core.executor.latch import Latch
from wam_core.executor.retarget import SPACES
from wam_core.executor.seams import SEAMS, Source, end_ns
from wam_core.executor.settings import ExecutorSettings
from wam_core.executor.shaping import Motion, Shaper
from wam_core.executor.status import ExecutorStatus
from wam_core.executor.timeline import track_of
from wam_core.executor.torque import computed_torque
from wam_core.robot.contract import RobotContract
from wam_core.robot.dynamics import Dynamics
from wam_core.robot.kinematics import Kinematics

#: Shaping never advances by more than this in one tick, however late the tick is, nor by less than the lower bound.
SHORTEST_TICK_S, LONGEST_TICK_S = 0.0005, 0.02
#: A clock that moves further than this between ticks, or backwards, has jumped: the chunk's stamps mean nothing then.
CLOCK_JUMP_NS = 500_000_000
#: Joint errors up to this are left to the controller when a latched stop is cleared (rad).
SMALL_ERROR_RAD = 0.02
LONGEST_EVENT_LIST = 1000


class Executor:
    """Turns action chunks into torques within the robot contract's limits, or brings the arm to rest.

    ``accept``, ``stop`` and ``clear`` may be called from another thread than ``tick``.
    """

    def __init__(self, robot: RobotContract, settings: ExecutorSettings | None = None) -> None:
        self.robot = robot
        self.settings = settings or ExecutorSettings()
        self._seam = look_up(SEAMS, self.settings.seam, "executor.seam")
        self._kinematics = Kinematics(robot)
        self._dynamics = Dynamics(robot)
        self._shaper = Shaper(robot, self.settings)
        self._spaces = {name: make(robot, self._kinematics, self.settings) for name, make in SPACES.items()}
        self._torque_limit = np.append(robot.limits.torque, robot.gripper.force)
        self._torque_rate_limit = np.append(robot.limits.torque_rate, np.inf)
        self._latch = Latch()
        self._seen: dict[str, Seen] = {}
        self._counts: Counter[str] = Counter()
        self._events: list[SafetyEvent] = []
        self._active: dict[tuple[str, str], SafetyEvent] = {}
        self._accepted = self._rejected = 0
        self._sequence = -1
        self._pending: ActionChunk | None = None
        self._source: Source | None = None
        self._space = robot.action.space
        self._motion: Motion | None = None
        self._finger = Finger(0.0, 0.0)
        self._effort = np.zeros(len(robot.joint_names))
        self._tick_ns: int | None = None
        self._good_ns = self._good_stamp_ns = 0
        self._reanchor = False
        self._mode = "no_state"
        self._error = float("nan")

    @property
    def stop_s(self) -> float:
        """Longest time from any stop request to rest, s."""
        return self._shaper.stop_s

    def accept(self, chunk: ActionChunk, now_ns: int) -> Intake:
        """Take ``chunk`` over at the next tick, or say why not; while latched nothing is accepted."""
        if self._latch.closed:
            result = Intake(False, "LATCHED", "", f"stopped: {self._latch.reason}; clear the stop first")
        else:
            result = check_chunk(chunk, now_ns, self.robot, self.settings, self._seen)
        self._counts[result.reason] += 1
        if not result.accepted:
            self._rejected += 1
            self._report(SafetyEvent(result.reason, "intake", result.field, np.nan, np.nan, "", Action.REJECTED))
            return result
        self._accepted += 1
        self._sequence = chunk.sequence
        self._seen[chunk.model] = Seen(chunk.stamp_ns, chunk.sequence, now_ns)
        self._pending = chunk
        return result

    def tick(self, state: RobotState | None, now_ns: int) -> JointCommand:
        """The command for now.

        Before the first usable state there is no reference: position, velocity and acceleration are NaN ("no command")
        and efforts zero. Without a usable state afterwards the reference stops and efforts are those of the reference
        alone, which at rest is gravity compensation; a loss longer than ``state_latch_s`` latches.
        """
        good = state if usable(state, len(self.robot.joint_names)) else None
        dt = self._advance_clock(now_ns)
        if good is not None and (self._motion is None or self._reanchor):
            self._anchor(good, now_ns)
        if self._motion is None:
            return self._no_command(now_ns)
        if good is not None and good.stamp_ns != self._good_stamp_ns:
            self._good_ns, self._good_stamp_ns = now_ns, good.stamp_ns
        before = self._motion
        stop = self._shaper.stop(before)
        brake = stop.at(dt)
        nominal, opening = self._nominal(before, now_ns, dt)
        context = Context(
            self.robot, self.settings, self._kinematics, self._shaper.stop, self._torque_limit,
            self._torque_rate_limit, dt, before, brake, self._effort, good is not None,
            (now_ns - self._good_stamp_ns) * 1e-9, (now_ns - self._good_ns) * 1e-9,
            None if self._source is None else (now_ns - end_ns(self._source)) * 1e-9,
        )  # fmt: skip
        motion = brake if nominal is None else nominal
        events: tuple[SafetyEvent, ...] = ()
        for motion_filter in MOTION_FILTERS:
            motion, found = motion_filter(motion, state, context)
            events += found
        stopped = any(e.action == Action.STOPPED for e in events)
        self._motion = motion
        self._finger = advance(self.robot.gripper, self._finger, None if stopped else opening, dt)
        trusted = None if any(e.filter in ("state_finite", "state_age") for e in events) else good
        effort = np.append(
            computed_torque(self._dynamics, self.robot.gains, motion, trusted, dt),
            force(self._finger, trusted, self.settings),
        )
        for effort_filter in EFFORT_FILTERS:
            effort, found = effort_filter(effort, state, context)
            events += found
        self._effort = effort
        self._error = float("nan") if good is None else float(np.max(np.abs(motion.q - good.position[:-1])))
        self._settle(events, nominal is not None and not stopped)
        return JointCommand(
            now_ns,
            np.append(motion.q, self._finger.position),
            np.append(motion.v, self._finger.velocity),
            np.append(motion.a, 0.0),
            effort,
        )

    def stop(self, reason: str) -> None:
        """Bring the arm to rest and hold it until :meth:`clear`."""
        self._latch.close(reason)

    def clear(self) -> None:
        """Open the latch. Chunks accepted before are gone; if the arm was pushed away while it was latched, the
        reference starts again from where it is."""
        self._pending = self._source = None
        if self._latch.closed and self._error > SMALL_ERROR_RAD:
            self._reanchor = True
        self._latch.clear()

    def reset(self, state: RobotState) -> None:
        """Start at rest from this measured state and forget all chunks; a closed latch stays closed."""
        self._anchor(state, state.stamp_ns)
        self._pending = self._source = None
        self._seen.clear()
        self._tick_ns = None

    def status(self) -> ExecutorStatus:
        """State after the last tick."""
        slack = float("nan")
        source, tick_ns = self._source, self._tick_ns
        if source is not None and tick_ns is not None:
            slack = (end_ns(source) - tick_ns) * 1e-9
        return ExecutorStatus(
            mode=self._mode,
            latched=self._latch.closed,
            latch_reason=self._latch.reason,
            reasons=tuple(sorted({code for code, _ in self._active})),
            reason_counts=dict(self._counts),
            chunks_accepted=self._accepted,
            chunks_rejected=self._rejected,
            sequence=self._sequence,
            chunk_slack_s=slack,
            tracking_error_rad=self._error,
        )

    def take_events(self) -> list[SafetyEvent]:
        """Events that began since the last call; one that lasts over many ticks is listed once."""
        events, self._events = self._events, []
        return events

    def _advance_clock(self, now_ns: int) -> float:
        last, self._tick_ns = self._tick_ns, now_ns
        if last is None:
            return 1.0 / self.robot.rates.control_hz
        if not 0 <= now_ns - last <= CLOCK_JUMP_NS:
            self._pending = self._source = None
            self._counts["CLOCK_JUMP"] += 1
            self._report(SafetyEvent("CLOCK_JUMP", "clock", "", (now_ns - last) * 1e-9, CLOCK_JUMP_NS * 1e-9, "s",
                                     Action.STOPPED))  # fmt: skip
            if now_ns < last:
                self._seen.clear()
                self._good_ns = now_ns
        return min(max((now_ns - last) * 1e-9, SHORTEST_TICK_S), LONGEST_TICK_S)

    def _anchor(self, state: RobotState, now_ns: int) -> None:
        q = np.array(state.position[:-1], dtype=np.float64)
        self._motion = Motion(q, np.zeros_like(q), np.zeros_like(q))
        self._finger = Finger(float(state.position[-1]), 0.0)
        self._effort = np.append(self._dynamics.gravity(q), 0.0)
        self._good_ns, self._good_stamp_ns = now_ns, state.stamp_ns
        self._reanchor = False

    def _no_command(self, now_ns: int) -> JointCommand:
        nothing = np.full(len(self.robot.joint_names), np.nan)
        return JointCommand(now_ns, nothing, nothing, nothing, np.zeros_like(nothing))

    def _nominal(self, before: Motion, now_ns: int, dt: float) -> tuple[Motion | None, float | None]:
        """The unfiltered next motion and gripper opening, or (None, None) when there is nothing to follow."""
        if self._latch.closed:
            self._pending = self._source = None
        chunk, self._pending = self._pending, None
        if chunk is not None:
            self._adopt(chunk, before, now_ns)
        if self._source is None:
            return None, None
        target = self._source.sample(now_ns)
        rates = self._spaces[self._space].rates(before.q, target)
        return self._shaper.follow(before, rates, dt), float(target.values[-1])

    def _adopt(self, chunk: ActionChunk, before: Motion, now_ns: int) -> None:
        if self._source is not None and chunk.space == self._space:
            current = self._source.sample(now_ns)
        else:
            self._source = None
            gripper = self.robot.gripper
            opening = (self._finger.position - gripper.closed) / (gripper.open - gripper.closed)
            current = self._spaces[chunk.space].sample(before.q, before.v, opening)
        lead_ns = round(self.settings.fade_s * 1e9)
        track = track_of(chunk, now_ns, current, lead_ns)
        self._source = self._seam(self._source, track, current, now_ns, lead_ns)
        self._space = chunk.space

    def _settle(self, events: tuple[SafetyEvent, ...], following: bool) -> None:
        for event in events:
            self._counts[event.code] += 1
            if event.latch:
                self._latch.close(event.message)
            if event.code == "CHUNK_STALE":
                self._source = None
        now_active = {(e.code, e.joint): e for e in events}
        for key, event in now_active.items():
            if key not in self._active:
                self._report(event)
        self._active = now_active
        moving = self._motion is not None and bool(np.any(self._motion.v))
        if self._latch.closed:
            self._mode = "latched"
        elif following:
            self._mode = "tracking"
        else:
            self._mode = "stopping" if moving else "holding"

    def _report(self, event: SafetyEvent) -> None:
        if len(self._events) < LONGEST_EVENT_LIST:
            self._events.append(event)
