"""Chunks that come late: what is executed is what was due, of an observation no older than the robot file says.

The bound on the age of an observation is ``staleness.image_s + chunk_s`` when its chunk comes, and the chunk's own span
and ``chunk_s`` after it while it is executed.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from executor_harness import HOME_POSE, ROBOT, Rig, chunk
from hypothesis import given, settings
from hypothesis import strategies as st

from wam_core.continuation import CONTINUATIONS, Progress, overlap
from wam_core.contract import ActionChunk, Committed
from wam_core.executor.executor import Executor
from wam_core.executor.seams import SEAMS
from wam_core.executor.settings import ExecutorSettings

HORIZON, REPLAN = 16, 4
TICK_NS, STEP_NS, BEGIN_NS = 10_000_000, ROBOT.step_ns, Rig.now_ns
CHUNK_NS = round(1e9 * ROBOT.staleness.chunk_s)
SPAN_NS = HORIZON * STEP_NS
FADE_NS = round(1e9 * ExecutorSettings().fade_s)
#: A new chunk has taken over, and the arm caught up with it, so long after it came.
SETTLED_NS = FADE_NS + 200_000_000
#: From what is due to where the reference is (m); half a second of the course is ten times as much.
ERROR = 0.006


def course(at_ns: np.ndarray) -> np.ndarray:
    """Poses ``[N, 7]`` of a plan that depends on time alone, so that what is executed says when it was due; it begins
    where the arm is, at rest."""
    values = np.tile(HOME_POSE, (len(at_ns), 1))
    values[:, 1] += 0.05 * (1.0 - np.cos(2.0 * np.pi * 1e-9 * (at_ns - BEGIN_NS) / 4.0))
    return values


def planned(stamp_ns: int, sequence: int, before: Committed | None) -> ActionChunk:
    """The course as it is seen at ``stamp_ns``, going on from what is committed as a model does."""
    due_ns = stamp_ns + STEP_NS * np.arange(1, HORIZON + 1)
    values = course(due_ns)
    if before is not None:
        known = overlap(before, due_ns)
        values += known.weights[:, None] * (known.values - values)
    return chunk(values, stamp_ns, sequence=sequence)


class Origins:
    """Stamp of the oldest observation that each step of each chunk stems from."""

    def __init__(self) -> None:
        self._chunks: dict[int, tuple[ActionChunk, np.ndarray]] = {}

    def add(self, made: ActionChunk, before: Committed | None) -> None:
        due_ns = made.start_ns + STEP_NS * np.arange(HORIZON)
        stamps = np.full(HORIZON, made.stamp_ns)
        if before is not None:
            taken = overlap(before, due_ns).weights > 0.0
            stamps[taken] = [self.of(before.chunk.sequence, at_ns) for at_ns in due_ns[taken]]
        self._chunks[made.sequence] = (made, stamps)

    def of(self, sequence: int, at_ns: int) -> int:
        made, stamps = self._chunks[sequence]
        step = np.clip((at_ns - made.start_ns) / STEP_NS, 0, HORIZON - 1)
        return int(min(stamps[int(np.floor(step))], stamps[int(np.ceil(step))]))


def run(rig: Rig, delays_ns: Sequence[int], continuation: str) -> tuple[list[int], list[int], int]:
    """Chunks one after the other, each so much later than its observation, then none. Age of the observation that
    each tick's motion stems from, remaining times of the queue while chunks came, and when the last one did (ns)."""
    progress, origins = Progress(), Origins()
    ages, slacks, stamp_ns, came_ns, sequence = list[int](), list[int](), rig.now_ns, 0, 0
    for sequence, delay_ns in enumerate(delays_ns, 1):
        before = progress.committed(continuation, stamp_ns)
        made = planned(stamp_ns, sequence, before)
        origins.add(made, before)
        while rig.now_ns < stamp_ns + delay_ns:
            tick(rig, origins, ages, slacks, came_ns)
        assert rig.executor.accept(made, rig.now_ns).accepted
        came_ns = rig.now_ns
        progress.sent(made, rig.now_ns)
        due_ns = stamp_ns + REPLAN * STEP_NS - delay_ns
        stamp_ns += STEP_NS * max(1, -(-max(came_ns - stamp_ns, due_ns - stamp_ns) // STEP_NS))
        while rig.now_ns < stamp_ns:
            tick(rig, origins, ages, slacks, came_ns)
    while rig.now_ns < came_ns + SPAN_NS + CHUNK_NS + 500_000_000:
        tick(rig, origins, ages, [], came_ns)
    return ages, slacks, came_ns


def tick(rig: Rig, origins: Origins, ages: list[int], slacks: list[int], came_ns: int) -> None:
    command, status = rig.tick(dt_ns=TICK_NS), rig.executor.status()
    if status.mode == "tracking":
        ages.append(rig.now_ns - origins.of(status.sequence, rig.now_ns))
        slacks.append(round(1e9 * status.chunk_slack_s))
        if slacks[-1] > 0 and rig.now_ns > came_ns + SETTLED_NS:
            assert abs(rig.tool(command)[1] - course(np.array([rig.now_ns]))[0, 1]) < ERROR
    elif came_ns:
        slacks.append(-1)


@given(
    delays=st.lists(st.integers(0, 500), min_size=2, max_size=5),
    seam=st.sampled_from(tuple(SEAMS)),
    continuation=st.sampled_from(tuple(CONTINUATIONS)),
)
@settings(max_examples=20, deadline=None)
def test_nothing_is_executed_of_an_observation_older_than_the_bound(
    delays: list[int], seam: str, continuation: str
) -> None:
    """Late steps were executed when they came instead of being dropped by their stamps; what one chunk takes over from
    another was handed on for ever; or an arm whose model was gone went on."""
    rig = Rig(replace(ExecutorSettings(), seam=seam))
    ages, slacks, came_ns = run(rig, [1_000_000 * delay for delay in delays], continuation)
    assert max(ages) <= SPAN_NS + CHUNK_NS + FADE_NS
    assert min(slacks) > 0, "the queue ran dry though chunks came in time"
    assert rig.executor.status().mode != "tracking" and not rig.commands[-1].velocity.any()


@pytest.mark.parametrize("oldest_ms", [1300, 150])
def test_a_chunk_is_refused_by_the_age_of_its_observation_alone(oldest_ms: int) -> None:
    """A chunk that answered the scene of two seconds ago was executed because its steps lay ahead; or the bound was the
    executor's own, and the robot file's for show."""
    staleness = replace(ROBOT.staleness, image_s=0.3 * oldest_ms / 1300, chunk_s=oldest_ms / 1300)
    rig = Rig()
    stamp_ns = rig.now_ns
    for late_ms, taken in ((0, True), (oldest_ms, True), (oldest_ms + 1, False)):
        executor = Executor(replace(ROBOT, staleness=staleness))
        executor.reset(rig.state())
        found = executor.accept(planned(stamp_ns, 1, None), stamp_ns + 1_000_000 * late_ms)
        assert (found.accepted, found.reason) == ((True, "ACCEPTED") if taken else (False, "STALE"))
