"""The seam modes as functions of time: smooth wherever chunks join and leave, and the mean that they say they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wam_core.contract import ActionChunk
from wam_core.executor.seams import MOST_MEMBERS, SEAMS, Blend, Ensemble, Source
from wam_core.executor.timeline import Sample, track_of

STEP_NS = 100_000_000
FADE_NS = 100_000_000
RESTING = Sample(np.zeros(2), np.zeros(2))


def chunk(values: np.ndarray, start_ns: int) -> ActionChunk:
    return ActionChunk(start_ns - STEP_NS, start_ns, STEP_NS, ("a", "b"), "joint_position", values, 0)


def constant(value: float, start_ns: int, steps: int = 10) -> ActionChunk:
    return chunk(np.full((steps, 2), value), start_ns)


def take_over(mode: str, old: Source | None, new: ActionChunk, now_ns: int, decay: float = 0.01) -> Source:
    current = RESTING if old is None else old.sample(now_ns)
    blend = Blend(FADE_NS, decay)
    return SEAMS[mode](old, track_of(new, now_ns, current, FADE_NS), current, now_ns, blend)


@pytest.mark.parametrize("mode", ["cross_fade", "temporal_ensemble"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100_000), every_ms=st.sampled_from([2, 30, 100, 250]))
def test_values_and_rates_have_no_jump(mode: str, seed: int, every_ms: int) -> None:
    """A jump of the rates where a chunk joins, leaves or is one too many is a jerk at every seam. However often chunks
    come, values are continuous and rates are their derivative."""
    rng, source, now = np.random.default_rng(seed), None, 0
    seen: list[Sample] = []
    for _ in range(20):
        new = chunk(rng.uniform(-1, 1, (int(rng.integers(2, 12)), 2)), now - int(rng.integers(0, STEP_NS)))
        taken = take_over(mode, source, new, now)
        for before, after in zip(RESTING if source is None else source.sample(now), taken.sample(now), strict=True):
            np.testing.assert_allclose(after, before, atol=1e-6)
        source = taken
        for _ in range(every_ms):
            seen.append(source.sample(now))
            now += 1_000_000
    values, rates = (np.array([getattr(sample, n) for sample in seen]) for n in ("values", "rates"))
    np.testing.assert_allclose(np.diff(values, axis=0), 0.5e-3 * (rates[1:] + rates[:-1]), atol=2e-4)


@pytest.mark.parametrize("mode", ["cross_fade", "temporal_ensemble"])
def test_a_chunk_with_a_step_due_right_now_is_faded_in(mode: str) -> None:
    """In a simulator delays are whole steps: such a chunk was taken for one that begins where the arm is."""
    source = take_over(mode, None, constant(0.0, -STEP_NS), 0)
    taken = take_over(mode, source, constant(1.0, 3 * STEP_NS), 5 * STEP_NS)
    np.testing.assert_allclose(taken.sample(5 * STEP_NS).values, 0.0, atol=1e-9)


def test_an_ensemble_is_the_weighted_mean_of_the_chunks_that_cover_now() -> None:
    """A mean in which the newest chunk counts for all, or those that are over still count, is another mode."""
    decay, source = 0.5, None
    for k, value in enumerate([0.0, 1.0, 2.0]):
        source = take_over("temporal_ensemble", source, constant(value, k * 3 * STEP_NS), k * 3 * STEP_NS, decay)
    weights = np.exp(-decay * np.arange(3))
    assert source is not None
    covered = source.sample(8 * STEP_NS - 20_000_000)  # all three, and nobody is joining or leaving
    np.testing.assert_allclose(covered.values, weights @ [0.0, 1.0, 2.0] / weights.sum(), atol=1e-9)
    np.testing.assert_allclose(source.sample(10 * STEP_NS).values, weights[:2] @ [1.0, 2.0] / weights[:2].sum())
    np.testing.assert_allclose(source.sample(13 * STEP_NS).values, 2.0, atol=1e-9)
    assert source.end_ns == 15 * STEP_NS


def test_an_ensemble_does_not_grow_without_bound() -> None:
    """A model that sends a chunk per tick would make every tick slower than the one before."""
    source = None
    for k in range(200):
        source = take_over("temporal_ensemble", source, constant(1.0, k * 2_000_000), k * 2_000_000)
        assert isinstance(source, Ensemble) and len(source.members) <= MOST_MEMBERS
    assert source is not None and np.abs(source.sample(200 * 2_000_000 + FADE_NS).values - 1.0).max() < 0.2
