"""A chunk as a function of time: rotations that mean the same, and samples between steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from wam_core.executor.timeline import Sample, Track, unwrap


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 100_000), size=st.floats(0.1, np.pi), step=st.floats(0.01, 1.0))
def test_rotations_go_on_the_short_way(seed: int, size: float, step: float) -> None:
    """A tool near half a turn from its reference would be told to spin once round between two steps."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    here = Rotation.from_rotvec(size * axis / np.linalg.norm(axis))
    turned = [here]
    for _ in range(8):
        turned.append(turned[-1] * Rotation.from_rotvec(step * rng.uniform(-1.0, 1.0, 3) / np.sqrt(3.0)))
    vectors = np.array([r.as_rotvec() for r in turned])
    values = np.hstack([rng.normal(size=(8, 3)), vectors[1:], rng.random((8, 1))])
    near = np.concatenate([np.zeros(3), vectors[0], [0.0]])
    found = unwrap("ee_pose", values, near)
    assert (found[:, [0, 1, 2, 6]] == values[:, [0, 1, 2, 6]]).all()
    before = near
    for row, given_row in zip(found, values, strict=True):
        same = Rotation.from_rotvec(row[3:6]) * Rotation.from_rotvec(given_row[3:6]).inv()
        assert same.magnitude() < 1e-9
        other = row[3:6] * (1.0 - 2.0 * np.pi / np.linalg.norm(row[3:6]))
        assert np.linalg.norm(row[3:6] - before[3:6]) <= np.linalg.norm(other - before[3:6]) + 1e-9
        before = row


def test_rates_are_those_of_the_values() -> None:
    """A feed-forward that is not the derivative of what it goes with makes the arm overshoot each step."""
    coefficients = np.random.default_rng(0).normal(size=(2, 4, 3))
    end = Sample(np.zeros(3), np.zeros(3))
    track = Track((0, 100_000_000, 200_000_000), coefficients, end, end)
    for now_ns in (10_000_000, 60_000_000, 150_000_000):
        before, after = track.sample(now_ns - 1000), track.sample(now_ns + 1000)
        assert track.sample(now_ns).rates == pytest.approx((after.values - before.values) / 2e-6, rel=1e-6)
    c0, c1, c2, c3 = coefficients[1]
    assert track.sample(150_000_000).values == pytest.approx(c0 + 0.05 * c1 + 0.05**2 * c2 + 0.05**3 * c3)
