"""The executor: chunks in, joint commands out, one tick at a time. The pipeline is :meth:`Executor.tick`."""

import threading
from dataclasses import replace

import numpy as np

from wam_core.contract import ActionChunk, FloatArray, JointCommand, RobotState
from wam_core.errors import ContractError
from wam_core.executor.events import Action, SafetyEvent
from wam_core.executor.filters import EFFORT_FILTERS, MOTION_FILTERS, STATE_FILTERS, apply
from wam_core.executor.filters.context import Context
from wam_core.executor.filters.watchdogs import usable
from wam_core.executor.follower import Follower
from wam_core.executor.grasp import Grasp, advance, force, loosened
from wam_core.executor.guard import make_guards
from wam_core.executor.intake import Intake, Seen, check_chunk
from wam_core.executor.journal import Journal
from wam_core.executor.latch import Latch
from wam_core.executor.reference import Reference
from wam_core.executor.resolve import Anchor, Resolver
from wam_core.executor.settings import ExecutorSettings
from wam_core.executor.shaping import Motion, Shaper
from wam_core.executor.status import ExecutorStatus
from wam_core.executor.torque import computed_torque
from wam_core.executor.tracking import Tracking
from wam_core.robot.contract import TRACKED_SPACES, RobotContract
from wam_core.robot.dynamics import Dynamics
from wam_core.robot.kinematics import Kinematics
from wam_core.robot.robot_file import load_robot

#: A tick sooner than this after the one before repeats its command.
SHORTEST_TICK_NS = 400_000
#: The reference never advances by more than this in one tick, however late the tick is.
LONGEST_TICK_S = 0.02
#: A clock that moves further than this between ticks, or backwards, has jumped: the chunk's stamps mean nothing then.
CLOCK_JUMP_NS = 500_000_000


class Executor:
    """Turns action chunks into torques within the robot contract's limits, or brings the arm to rest.

    Methods may be called from different threads. A tick waits for the checks of :meth:`accept` alone, and :meth:`stop`
    never waits.
    """

    def __init__(self, robot: RobotContract, settings: ExecutorSettings | None = None) -> None:
        self.robot = robot
        self.settings = settings or ExecutorSettings()
        self._kinematics = Kinematics(robot)
        self._dynamics = Dynamics(robot)
        self._guards = make_guards(robot, self._kinematics, self.settings.clearance)
        self._shaper = Shaper(robot, self.settings)
        self._follower = Follower(robot, self._kinematics, self.settings)
        self._arms = len(robot.joints)
        self._torque_limit = robot.effort_limit
        self._torque_rate_limit = np.concatenate([robot.limits.torque_rate, np.full(len(robot.fingers.joints), np.inf)])
        self._others = {name: load_robot(name) for name in self.settings.others}
        self._resolve = Resolver(robot, self._others)
        self._accepting, self._lock = threading.Lock(), threading.Lock()
        self._latch = Latch()
        self._tracking = Tracking(robot, self.settings)
        self._seen: dict[str, Seen] = {}
        self._journal = Journal()
        self._accepted = self._rejected = 0
        self._sequence = -1
        self._reference: Reference | None = None
        self._grasp = Grasp(robot.fingers.open, np.zeros(len(robot.fingers.joints)))
        self._effort = np.zeros(len(robot.joint_names))
        self._tick_ns: int | None = None
        self._command = self._no_command(0)
        self._good_ns = self._good_stamp_ns = 0
        self._overridden = False
        self._held_ns: int | None = None
        self._following = self._adrift = False
        self._mode = "no_state"
        self._error = float("nan")

    @property
    def stop_s(self) -> float:
        """Longest time from any stop request to rest, s."""
        return self._shaper.stop_s

    @property
    def adrift(self) -> bool:
        """Whether the last efforts have no feedback because the joint states are lost. Efforts alone do not bring an
        arm to rest, its error grows: it is to be left to its own controller, which brakes."""
        return self._adrift

    def accept(self, chunk: ActionChunk, now_ns: int) -> Intake:
        """Take ``chunk`` over at the next tick, or say why not; while latched nothing is accepted.

        Ticks go on meanwhile: bringing a chunk to this arm may take longer than one.
        """
        with self._accepting:
            with self._lock:
                result, anchor, drops = self._check(chunk, now_ns), self._anchor_of(chunk), self._follower.drops
            resolved = chunk
            if result.accepted:
                try:
                    resolved = self._resolve(chunk, anchor)
                except ContractError as error:
                    result = Intake(False, "DEGENERATE", error.field, str(error))
            with self._lock:
                if result.accepted and (self._latch.closed or self._follower.drops != drops):
                    result = Intake(False, "LATCHED", "", "stopped while the chunk was on its way")
                if result.accepted:
                    self._take(chunk, resolved, now_ns)
                else:
                    self._refuse(result)
        return result

    def _check(self, chunk: ActionChunk, now_ns: int) -> Intake:
        if self._latch.closed:
            return Intake(False, "LATCHED", "", f"stopped: {self._latch.reason}; clear the stop first")
        if self._reference is None and chunk.space not in TRACKED_SPACES:
            return Intake(False, "NO_STATE", "", f"{chunk.space} counts from where the arm is, which is not known yet")
        return check_chunk(chunk, now_ns, self.robot, self.settings, self._seen, self._others)

    def _anchor_of(self, chunk: ActionChunk) -> Anchor:
        """Where the reference is when ``chunk`` begins; before the arm was seen nothing counts from there."""
        anchor = self._follower.anchor(chunk)
        if anchor is not None:
            return anchor
        q = self.robot.home if self._reference is None else self._reference.motion.q
        return Anchor(q, self._grasp.position)

    def _take(self, chunk: ActionChunk, resolved: ActionChunk, now_ns: int) -> None:
        self._accepted += 1
        self._sequence = chunk.sequence
        self._seen[chunk.model] = Seen(chunk.stamp_ns, chunk.sequence, now_ns)
        self._follower.offer(resolved)

    def _refuse(self, result: Intake) -> None:
        self._rejected += 1
        self._journal.note(SafetyEvent(result.reason, "intake", result.field, np.nan, np.nan, "", Action.REJECTED))

    def tick(self, state: RobotState | None, now_ns: int) -> JointCommand:
        """The command for now.

        Before the first usable state there is no reference: position, velocity and acceleration are NaN ("no command")
        and efforts zero. Without a usable state afterwards the reference stops and efforts are those of the reference
        alone, which at rest is gravity compensation; a loss longer than ``state_latch_s`` latches.
        """
        with self._lock:
            if self._tick_ns is not None and 0 <= now_ns - self._tick_ns < SHORTEST_TICK_NS:
                return replace(self._command, stamp_ns=now_ns)
            self._command = self._tick(state, now_ns)
            return self._command

    def _tick(self, state: RobotState | None, now_ns: int) -> JointCommand:
        good = state if usable(state, len(self.robot.joint_names)) else None
        last_ns, dt = self._tick_ns, self._advance_clock(now_ns)
        if self._reference is not None and last_ns is not None and (now_ns - last_ns) * 1e-9 > dt:
            self._reference.catch_up(now_ns, dt)
        if good is not None and self._reference is None:
            self._anchor(good, now_ns)
        if self._reference is None:
            return self._no_command(now_ns)
        if good is not None and good.stamp_ns != self._good_stamp_ns:
            self._good_ns, self._good_stamp_ns = now_ns, good.stamp_ns
        before, brake = self._reference.motion, self._reference.brake(dt)
        nominal, goal, remarks = self._nominal(before, good, now_ns, dt)
        slack = self._follower.slack_s(now_ns)
        context = Context(
            robot=self.robot,
            settings=self.settings,
            kinematics=self._kinematics,
            guards=self._guards,
            plan_stop=self._shaper.stop,
            torque_limit=self._torque_limit,
            torque_rate_limit=self._torque_rate_limit,
            dt=dt,
            previous=before,
            brake=brake,
            previous_effort=self._effort,
            state_usable=good is not None,
            state_age_s=(now_ns - self._good_stamp_ns) * 1e-9,
            state_lost_s=(now_ns - self._good_ns) * 1e-9,
            astray_s=self._tracking.astray_s(before.q, good),
            chunk_age_s=None if slack is None else -slack,
            overridden=self._overridden,
            dead_man_s=float("inf") if self._held_ns is None else (now_ns - self._held_ns) * 1e-9,
        )
        motion, events = apply(MOTION_FILTERS, brake if nominal is None else nominal, state, context)
        stopped = any(e.action == Action.STOPPED for e in events)
        if goal is not None and any(e.code == "TAXEL_FORCE" for e in events):
            goal = loosened(self.robot.fingers, self._grasp, goal)
        confines = None if goal is None or not self.robot.fingers.joints else self._guards.confines
        if confines is not None:
            goal, (value, where, least) = None, confines
            remarks += (SafetyEvent("FINGERS_CONFINED", "guard", where, value, least, "m", Action.HELD),)
        grasp = advance(self.robot.fingers, self._grasp, None if stopped else goal, dt)
        horizon = max(dt, self.settings.feedback_delay_s)
        lost = any(e.filter in STATE_FILTERS for e in events)
        # Feedback later than the delay it is stable for drives the arm on: the error to an old state only grows.
        trusted = None if self.robot.servo or lost or context.state_age_s > horizon else good
        self._adrift = lost and not self.robot.servo
        torque = computed_torque(self._dynamics, self.robot.gains, motion, trusted, horizon)
        wanted = np.concatenate([torque, force(self.robot.fingers, grasp, trusted)])
        effort, clipped = apply(EFFORT_FILTERS, wanted, state, context)
        if motion is brake:
            self._reference.stop(brake, dt)
        else:
            self._reference.advance(motion, self._shaper.stop(motion))
        self._grasp, self._effort = grasp, effort
        self._following = nominal is not None and not any(e.action >= Action.HELD for e in events)
        self._error = float("nan") if good is None else float(np.abs(motion.q - good.position[: self._arms]).max())
        self._settle(remarks + events + clipped, good)
        return JointCommand(
            now_ns,
            np.concatenate([motion.q, grasp.position]),
            np.concatenate([motion.v, grasp.velocity]),
            np.concatenate([motion.a, np.zeros_like(grasp.velocity)]),
            effort,
        )

    def override(self, taken: bool) -> None:
        """A person takes the arm, or gives it back: it holds as long as it is taken."""
        self._overridden = taken

    def dead_man(self, held: bool, now_ns: int) -> None:
        """The dead-man switch was found held, or let go, at ``now_ns``."""
        self._held_ns = now_ns if held else None

    def stop(self, reason: str) -> None:
        """Bring the arm to rest and hold it until :meth:`clear`.

        After a latched tracking error the reference gives way to the arm instead of pressing on.
        """
        self._latch.close(reason)

    def rest(self) -> None:
        """Forget all chunks, so that the arm comes to rest; the latch is left as it is."""
        with self._lock:
            self._follower.drop()

    def clear(self) -> None:
        """Open the latch; chunks accepted before are gone, and the next one starts from the held reference."""
        with self._lock:
            self._follower.drop()
            self._tracking.forget()
            self._latch.clear()

    def reset(self, state: RobotState) -> None:
        """Start at rest from this measured state and forget all chunks; a closed latch stays closed.

        Raises:
            ContractError: the state is not finite or of the wrong shape.
        """
        if not usable(state, len(self.robot.joint_names)):
            raise ContractError("state", state, f"{len(self.robot.joint_names)} finite positions and velocities")
        with self._lock:
            self._anchor(state, state.stamp_ns)
            self._follower.drop()
            self._seen.clear()
            self._tick_ns = None

    def stop_ahead(self, step_s: float) -> list[JointCommand]:
        """The verified stop that follows the last command, every ``step_s`` s until it is at rest (at least once);
        stamped with when each is due, efforts NaN. Empty before the first command.

        Who asks hands it on to the arm: after missed ticks the reference goes on from where this stop has got to.
        """
        with self._lock:
            if self._reference is None:
                return []
            still, unknown = np.zeros_like(self._grasp.velocity), np.full_like(self._effort, np.nan)
            return [
                JointCommand(
                    stamp_ns,
                    np.concatenate([motion.q, self._grasp.position]),
                    np.concatenate([motion.v, still]),
                    np.concatenate([motion.a, still]),
                    unknown,
                )
                for stamp_ns, motion in self._reference.hand_on(step_s, self._command.stamp_ns)
            ]

    def status(self) -> ExecutorStatus:
        """State after the last tick."""
        with self._lock:
            return self._status()

    def _status(self) -> ExecutorStatus:
        slack = None if self._tick_ns is None else self._follower.slack_s(self._tick_ns)
        return ExecutorStatus(
            mode=self._mode,
            latched=self._latch.closed,
            latch_reason=self._latch.reason,
            reasons=self._journal.active,
            reason_counts=dict(self._journal.counts),
            chunks_accepted=self._accepted,
            chunks_rejected=self._rejected,
            sequence=self._sequence,
            chunk_slack_s=float("nan") if slack is None else slack,
            tracking_error_rad=self._error,
        )

    def take_events(self) -> list[SafetyEvent]:
        """Events that began since the last call; one that lasts over many ticks is listed once."""
        with self._lock:
            return self._journal.take()

    def _advance_clock(self, now_ns: int) -> float:
        last, self._tick_ns = self._tick_ns, now_ns
        nominal = 1.0 / self.robot.rates.control_hz
        if last is None:
            return nominal
        if not 0 <= now_ns - last <= CLOCK_JUMP_NS:
            self._follower.drop()
            jump_s, limit_s = (now_ns - last) * 1e-9, CLOCK_JUMP_NS * 1e-9
            self._journal.note(SafetyEvent("CLOCK_JUMP", "clock", "", jump_s, limit_s, "s", Action.STOPPED))
        if now_ns < last:
            self._seen.clear()
            self._good_ns = now_ns
            return nominal
        return min((now_ns - last) * 1e-9, LONGEST_TICK_S)

    def _anchor(self, state: RobotState, now_ns: int) -> None:
        q = np.array(state.position[: self._arms], dtype=np.float64)
        fingers = np.array(state.position[self._arms :], dtype=np.float64)
        still = Motion(q, np.zeros_like(q), np.zeros_like(q))
        self._reference = Reference(still, self._shaper.stop(still))
        self._grasp = Grasp(fingers, np.zeros_like(fingers))
        self._effort = np.concatenate([self._dynamics.gravity(q), np.zeros_like(fingers)])
        self._good_ns, self._good_stamp_ns = now_ns, state.stamp_ns
        self._tracking.forget()
        self._guards.forget()
        self._following = False

    def _no_command(self, now_ns: int) -> JointCommand:
        nothing = np.full(len(self.robot.joint_names), np.nan)
        return JointCommand(now_ns, nothing, nothing, nothing, np.zeros_like(nothing))

    def _nominal(
        self, before: Motion, state: RobotState | None, now_ns: int, dt: float
    ) -> tuple[Motion | None, FloatArray | None, tuple[SafetyEvent, ...]]:
        """The unfiltered next motion, the goal of the fingers (None where there is nothing to follow), and remarks."""
        if not self._latch.closed:
            wanted = self._follower.wanted(before, self._grasp, self._following, now_ns)
            if wanted is None:
                return None, None, ()
            return self._shaper.follow(before, wanted.rates, dt), wanted.fingers, wanted.remarks
        self._follower.drop()
        rates = None if state is None else self._tracking.retreat_rates(before.q, state)
        return (None if rates is None else self._shaper.follow(before, rates, dt)), None, ()

    def _settle(self, events: tuple[SafetyEvent, ...], state: RobotState | None) -> None:
        self._journal.tick(events)
        for event in events:
            if event.latch:
                self._latch.close(event.message)
                if event.code == "TRACKING_ERROR" and state is not None:
                    self._tracking.give_way(state)
        if self._latch.closed:
            self._mode = "latched"
        elif self._following:
            self._mode = "tracking"
        else:
            self._mode = "stopping" if self._reference is not None and self._reference.motion.v.any() else "holding"
