"""The chunk being followed: takeover at the seam, time alignment, retargeting to joint rates."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from math import ceil
from typing import NamedTuple

from wam_core.contract import ActionChunk, FloatArray
from wam_core.errors import look_up
from wam_core.executor import demand
from wam_core.executor.events import SafetyEvent
from wam_core.executor.grasp import Grasp
from wam_core.executor.resolve import Anchor, anchor_ns
from wam_core.executor.retarget import SPACES
from wam_core.executor.seams import SEAMS, Blend, Source
from wam_core.executor.settings import ExecutorSettings
from wam_core.executor.shaping import Motion
from wam_core.executor.timeline import Sample, coast, track_of
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics


class Wanted(NamedTuple):
    """What the chunk asks for now: joint rates ``[J]`` (rad/s), finger positions ``[K]`` (rad, m), and, in the tick
    after it took over, what of it cannot be had."""

    rates: FloatArray
    fingers: FloatArray
    remarks: tuple[SafetyEvent, ...]


class Follower:
    """Holds at most one chunk that is followed and one that takes over at the next tick.

    Attributes:
        drops: how often all chunks were forgotten; one that was on its way at the time is to be forgotten, too.
    """

    def __init__(self, robot: RobotContract, kinematics: Kinematics, settings: ExecutorSettings) -> None:
        self._robot = robot
        self.drops = 0
        reach_s = robot.staleness.image_s + robot.staleness.chunk_s
        self._past: deque[tuple[int, Anchor]] = deque(maxlen=ceil(reach_s * robot.rates.control_hz))
        self._seam = look_up(SEAMS, settings.seam, "executor.seam")
        self._blend = Blend(round(settings.fade_s * 1e9), settings.ensemble_decay)
        self._ahead_ns = round(settings.smoothing_s * 1e9)
        self._spaces = {name: make(robot, kinematics, settings) for name, make in SPACES.items()}
        self._space = robot.action.space
        self._source: Source | None = None
        self._pending: ActionChunk | None = None
        self._unsaid: Callable[[], tuple[SafetyEvent, ...]] | None = None

    def offer(self, chunk: ActionChunk) -> None:
        """Let ``chunk``, which is resolved, take over at the next :meth:`wanted`; an earlier offer not yet taken up is
        dropped."""
        self._pending = chunk

    def anchor(self, chunk: ActionChunk) -> Anchor | None:
        """Where the reference was when ``chunk`` begins, or is if that is still to come; None before the first tick."""
        if not self._past:
            return None
        index = bisect_right(self._past, anchor_ns(chunk), key=lambda entry: entry[0])
        return self._past[max(index - 1, 0)][1]

    def drop(self) -> None:
        """Forget every chunk."""
        self._source = self._pending = self._unsaid = None
        self._past.clear()
        self.drops += 1

    def slack_s(self, now_ns: int) -> float | None:
        """Time until the last step is due (negative afterwards); None without a chunk."""
        return None if self._source is None else (self._source.end_ns - now_ns) * 1e-9

    def wanted(self, motion: Motion, grasp: Grasp, following: bool, now_ns: int) -> Wanted | None:
        """What is asked for at ``now_ns`` from reference ``motion``, or None.

        Args:
            following: whether ``motion`` came from the chunk; if not, a new chunk starts from ``motion`` instead of
                from where the old chunk would be.
        """
        self._past.append((now_ns, Anchor(motion.q, grasp.position)))
        chunk, self._pending = self._pending, None
        unsaid, self._unsaid = self._unsaid, None
        remarks = () if unsaid is None else unsaid()
        if chunk is not None:
            self._take_over(chunk, motion, grasp, following, now_ns)
        if self._source is None:
            return None
        rates = self._source.sample(now_ns + self._ahead_ns).rates  # shaping makes them late by as much
        target = Sample(self._source.sample(now_ns).values, rates)
        fingers = target.values[len(target.values) - len(grasp.position) :]
        return Wanted(self._spaces[self._space].rates(motion.q, target), fingers, remarks)

    def _take_over(
        self, chunk: ActionChunk, motion: Motion, grasp: Grasp, following: bool, now_ns: int
    ) -> None:
        ahead_ns, fade_ns = now_ns + self._ahead_ns, self._blend.fade_ns
        old = self._source if following and chunk.space == self._space else None
        here = old or coast(self._spaces[chunk.space].sample(motion.q, motion.v, grasp.position), now_ns)
        current = here.sample(ahead_ns)
        track = track_of(chunk, ahead_ns, current, max(fade_ns - self._ahead_ns, 0))
        self._source = self._seam(old, track, current, ahead_ns, self._blend)
        self._space = chunk.space
        # A tick that takes a chunk over is the longest of all: what there is to say of the chunk is left to the next.
        self._unsaid = lambda: demand.remarks(
            self._robot,
            chunk.space,
            track,
            self._spaces[chunk.space].sample(motion.q, motion.v, grasp.position),
            now_ns,
            fade_ns,
        )
