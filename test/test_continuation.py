"""Real-time chunking: a chunk goes on from the one in progress, and answers its observation all the same."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_policy import observation
from tiny import tiny_checkpoint

from wam_core.cell.cell import Cell
from wam_core.continuation import CONTINUATIONS, LATENCIES, TAKEN_NS, Progress, overlap
from wam_core.contract import ActionChunk, Committed, Observation
from wam_core.errors import ContractError
from wam_core.evaluation.continuing import ContinuingPolicy
from wam_core.evaluation.rollout import run_episode
from wam_core.executor.executor import Executor
from wam_core.executor.timeline import Sample, track_of
from wam_core.model.generators.bins import BINS, IGNORED, to_bins
from wam_core.model.generators.table import GENERATORS
from wam_core.policy import Policy, load_policy
from wam_core.robot.robot_file import load_robot
from wam_core.training.batches import chunk_features

STEP_NS = 100_000_000
ROBOT = load_robot("panda_cell")
#: Flow matching alone, with the future, and judged by a planner; regression; score diffusion.
PRESETS = ("fast_wam", "fast_wam_joint", "dreamavoid", "behaviour_cloning", "pad")


def course(start_ns: int = STEP_NS, horizon: int = 16, seed: int = 0) -> ActionChunk:
    values = np.cumsum(np.random.default_rng(seed).normal(0.0, 0.01, (horizon, 7)), axis=0)
    names = ("x", "y", "z", "rx", "ry", "rz", "gripper")
    return ActionChunk(start_ns - STEP_NS, start_ns, STEP_NS, names, "ee_pose", values, 0)


def in_progress(steps: int = 8, committed: int = 3) -> Committed:
    """A chunk of which ``steps`` have been executed at the observation, and ``committed`` will be until the next."""
    now_ns = observation().stamp_ns
    return Committed(course(now_ns + STEP_NS - steps * STEP_NS), now_ns + committed * STEP_NS)


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(-30, 30), st.integers(-20, 40), st.integers(0, STEP_NS - 1))
def test_what_is_committed_counts_fully_and_what_follows_less_and_less(
    horizon: int, first: int, until: int, off_ns: int
) -> None:
    """Steps that no chunk speaks of were held to zero; steps already executed were free to change."""
    chunk = course(horizon=horizon)
    due_ns = STEP_NS + first * STEP_NS + off_ns + STEP_NS * np.arange(16)
    last_ns = chunk.start_ns + (horizon - 1) * STEP_NS
    found = overlap(Committed(chunk, until * STEP_NS), due_ns)
    covered = (due_ns >= chunk.start_ns) & (due_ns <= last_ns)
    assert np.array_equal(found.weights > 0.0, covered)
    assert np.array_equal(found.weights == 1.0, covered & (due_ns <= until * STEP_NS))
    assert (np.diff(found.weights[covered]) <= 0.0).all()


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(0, STEP_NS - 1))
def test_between_its_steps_a_chunk_is_what_the_executor_makes_of_it(first: int, off_ns: int) -> None:
    """Cameras and chunks do not tick together: what came back as committed was not what had been executed."""
    chunk = course()
    due_ns = chunk.start_ns + first * STEP_NS + off_ns + STEP_NS * np.arange(3)
    track = track_of(chunk, chunk.start_ns, Sample(chunk.values[0], np.zeros(7)), STEP_NS)
    followed = np.array([track.sample(int(t)).values for t in due_ns])
    np.testing.assert_allclose(overlap(Committed(chunk, 0), due_ns).values, followed, atol=1e-12)


@pytest.mark.parametrize("name", GENERATORS)
@settings(deadline=None)
@given(st.integers(0, 100), st.floats(0.05, 1.0))
def test_the_aim_is_what_training_asks_for(name: str, seed: int, level: float) -> None:
    """A prefix of clean features was given to a head that speaks of velocities, and came back as noise."""
    maker, rng = GENERATORS[name], torch.Generator().manual_seed(seed)
    clean, noise = (torch.randn(2, 6, 3, generator=rng).clamp(-3.0, 3.0) for _ in range(2))
    shown, target, _ = maker.show(clean, noise, torch.full((2,), level))
    aim = maker.aim(shown, clean, level)
    if maker.outputs == BINS:
        bins = aim.unflatten(-1, (-1, BINS)).argmax(dim=-1)
        assert torch.equal(bins[target != IGNORED], target[target != IGNORED])
    else:
        asked = ~target.isnan()
        assert torch.allclose(aim[asked], target[asked], atol=1e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_committed_steps_come_back_as_they_were_given(name: str) -> None:
    """The new chunk began where the arm had been seen, not where it would be: it jumped back at every seam."""
    before = in_progress()
    chunk = Policy(tiny_checkpoint(name), seed=0).act(observation(), before)
    free = Policy(tiny_checkpoint(name), seed=0).act(observation())
    np.testing.assert_allclose(chunk.values[:3], before.chunk.values[8:11], atol=1e-6)
    assert np.abs(free.values[:3] - before.chunk.values[8:11]).max() > 1e-3
    assert (chunk.stamp_ns, chunk.start_ns, chunk.values.shape) == (free.stamp_ns, free.start_ns, free.values.shape)


@pytest.mark.parametrize("name", ["ud_vla", "worldvla"])
def test_committed_tokens_are_those_of_what_was_given(name: str) -> None:
    """A model that speaks in bins forgot its prefix: it cannot say more of it than the bin, but that it must."""
    checkpoint, before = tiny_checkpoint(name), in_progress()
    chunk = Policy(checkpoint, seed=0).act(observation(), before)
    table, pose = checkpoint.statistics["action"], observation().proprioception
    given, made = (
        to_bins(chunk_features(checkpoint.robot, table, np.resize(values, (16, 7)), pose))[:3]
        for values in (before.chunk.values[8:], chunk.values)
    )
    assert torch.equal(given, made)


def test_what_follows_joins_on_and_still_answers_the_observation() -> None:
    """A prefix was pasted over a chunk: it jumped where the prefix ended; or all of it was the old chunk."""
    before = in_progress()
    chunk, free = (Policy(tiny_checkpoint(), seed=0).act(observation(), c).values for c in (before, None))
    old = before.chunk.values[8:]
    off, off_free = (np.abs(values[:8] - old).max(axis=1) for values in (chunk, free))
    assert off[3] < 0.5 * off_free[3] and off[7] > 0.8 * off_free[7]
    dark = observation(images={c: np.zeros((128, 128, 3), np.uint8) for c in ("front", "wrist")})
    other = Policy(tiny_checkpoint(), seed=0).act(dark, before).values
    moved = np.abs(other - chunk).max(axis=1)
    assert moved[:3].max() < 1e-6 and (moved[3:] > 1e-5).all() and moved[8:].max() > 2.0 * moved[3]


def test_free_steps_are_generated_beside_the_committed_ones() -> None:
    """The prefix was put in after sampling, and nothing that follows knew of it."""
    first = in_progress()
    second = replace(first, chunk=replace(first.chunk, values=first.chunk.values + 0.05))
    late = [Policy(tiny_checkpoint(), seed=0).act(observation(), before).values[8:] for before in (first, second)]
    assert np.abs(late[0] - late[1]).max() > 1e-5


def test_the_same_seed_gives_the_same_chunk() -> None:
    """A recording of real-time chunking could not be replayed."""
    once, again = (Policy(tiny_checkpoint(), seed=3).act(observation(), in_progress()) for _ in range(2))
    other = Policy(tiny_checkpoint(), seed=4).act(observation(), in_progress())
    assert np.array_equal(once.values, again.values) and not np.array_equal(once.values, other.values)


def test_a_chunk_of_another_kind_is_no_prefix() -> None:
    """Joint angles were taken for metres."""
    before = in_progress()
    for wrong in ({"space": "joint_position"}, {"names": ("y", "x", "z", "rx", "ry", "rz", "gripper")}):
        with pytest.raises(ContractError, match=r"committed\.chunk"):
            Policy(tiny_checkpoint(), seed=0).act(observation(), replace(before, chunk=replace(before.chunk, **wrong)))
    broken = replace(before.chunk, values=np.full((16, 7), np.nan))
    with pytest.raises(ContractError, match=r"committed\.chunk\.values\[0, 0\]"):
        Policy(tiny_checkpoint(), seed=0).act(observation(), replace(before, chunk=broken))


def test_the_next_latency_is_the_longest_of_the_last_ones() -> None:
    """The mean was expected: every second chunk came too late for the steps it had been told were still its own."""
    progress = Progress()
    for k, latency_ns in enumerate([90, 250, 110] + [100] * LATENCIES):
        chunk = course(start_ns=STEP_NS + k * STEP_NS)
        progress.sent(chunk, chunk.stamp_ns + latency_ns)
        told = progress.committed("real_time_chunking", chunk.stamp_ns + STEP_NS)
        expected_ns = (90, 250, 250)[k] if k < 3 else 250 if k < LATENCIES + 1 else 110 if k == LATENCIES + 1 else 100
        assert told == Committed(chunk, chunk.stamp_ns + STEP_NS + expected_ns)


def test_what_the_executor_does_not_execute_is_not_gone_on_from() -> None:
    """A chunk was refused, or a person took the arm, and the next one began where the arm had never been."""
    chunk, sent_ns = course(), STEP_NS
    late_ns = sent_ns + TAKEN_NS + 1
    for sequence, tracking, heard_ns, goes_on in (
        (0, True, late_ns, True),
        (7, True, late_ns, False),
        (0, False, late_ns, False),
        (7, False, sent_ns + TAKEN_NS, True),  # the status is older than what the executor makes of the chunk
    ):
        progress = Progress()
        progress.sent(chunk, sent_ns)
        progress.heard(heard_ns, sequence, tracking)
        assert (progress.committed("real_time_chunking", 2 * STEP_NS) is not None) == goes_on
        progress.forget()
        assert progress.committed("real_time_chunking", 2 * STEP_NS) is None


@pytest.mark.parametrize("name", ["fast_wam", "behaviour_cloning", "avdc", "rigvid"])
def test_a_model_says_whether_it_can_go_on_from_a_chunk(name: str) -> None:
    """A model that begins where the arm is was told to go on from a chunk, by default, and answered with errors."""
    policy = Policy(tiny_checkpoint(name), seed=0)
    policy.warm_up()
    before = Committed(policy.act(observation()), 3 * STEP_NS)
    if policy.goes_on:
        policy.act(observation(), before)
    else:
        with pytest.raises(ContractError, match="committed"):
            policy.act(observation(), before)
    assert policy.goes_on == (name not in ("avdc", "rigvid"))


def test_a_policy_is_told_what_is_executed_until_its_chunk_arrives() -> None:
    """An evaluation said "real-time chunking" and measured the plain policy."""
    told: list[Committed | None] = []

    class Listening(Policy):
        def act(self, observation, committed=None):  # type: ignore[no-untyped-def]
            told.append(committed)
            return super().act(observation, committed)

    seen = [observation(stamp_ns=t * STEP_NS) for t in (10, 18, 40)]
    for name in CONTINUATIONS:
        policy = ContinuingPolicy(Listening(tiny_checkpoint(), seed=0), name, 3 * STEP_NS)
        chunks = [policy.act(o) for o in seen]
        if name == "none":
            assert told == [None] * 3
        else:  # of the second chunk nothing is left at the third observation
            assert told == [None, Committed(chunks[0], 21 * STEP_NS), None]
        told.clear()
    with pytest.raises(ContractError, match="real_time_chunking"):
        ContinuingPolicy(Policy(tiny_checkpoint(), seed=0), "rtc", 0)


@pytest.mark.slow
def test_the_chunks_of_a_trained_model_join() -> None:
    """A prefix that an untrained model takes, the shipped one overrules: it is sure of what it says."""
    cell, gaps = Cell(ROBOT, "auto"), {}
    for name in CONTINUATIONS:
        chunks: list[ActionChunk] = []
        policy = ContinuingPolicy(load_policy("fast_wam", ROBOT, 1), name, 2 * STEP_NS)

        def note(observation: Observation, chunk: ActionChunk, chunks: list[ActionChunk] = chunks) -> ActionChunk:
            chunks.append(chunk)
            return chunk

        run_episode(cell, Executor(ROBOT), policy, "drawer", 500, perturb=note, delay_ns=2 * STEP_NS)
        steps = [round((new.start_ns - old.start_ns) / STEP_NS) for old, new in pairwise(chunks)]
        joints = [new.values[:3] - old.values[k : k + 3] for k, (old, new) in zip(steps, pairwise(chunks), strict=True)]
        gaps[name] = 1000.0 * np.linalg.norm(np.array(joints)[..., :3], axis=-1).mean(axis=0)
    assert gaps["none"].min() > 2.0, gaps
    assert gaps["real_time_chunking"][:1].max() < 0.01 and gaps["real_time_chunking"][2] < 0.5 * gaps["none"][2], gaps
