"""What a stop says of itself before it is sampled must hold for every sample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wam_core.executor.settings import ExecutorSettings
from wam_core.executor.shaping import STOP_GRID_S, Motion, Shaper
from wam_core.robot.robot_file import load_robot

ROUNDING = 1e-9


@pytest.mark.parametrize("name", ["panda_cell", "ur5e", "so101", "panda_four_finger"])
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 1_000_000), still=st.floats(0.0, 1.0))
def test_no_sample_of_a_stop_is_beyond_its_extremes(name: str, seed: int, still: float) -> None:
    """Extremes that miss a joint which is carried on, or turns, let filters pass a stop they never sampled."""
    robot, chosen, rng = load_robot(name), ExecutorSettings(), np.random.default_rng(seed)
    limits, joints = robot.limits, len(robot.joints)
    shaper = Shaper(robot, chosen)
    motion = Motion(
        rng.uniform(limits.lower, limits.upper),
        chosen.velocity_share * limits.velocity * rng.uniform(-1, 1, joints) * (rng.random(joints) >= still),
        chosen.acceleration_share * limits.acceleration * rng.uniform(-1, 1, joints) * (rng.random(joints) >= still),
    )
    stop = shaper.stop(motion)
    q, v = stop.samples
    assert q[0] == pytest.approx(motion.q) and v[0] == pytest.approx(motion.v)
    assert q[-1] == pytest.approx(stop.rest) and v[-1] == pytest.approx(0.0, abs=ROUNDING)
    assert (len(q) - 1) * STOP_GRID_S >= stop.duration_s - ROUNDING
    dense = [stop.at(s) for s in np.linspace(0.0, stop.duration_s, 300)]
    for extremes, values in ((stop.lower, q), (stop.slowest, v)):
        assert (values >= extremes - ROUNDING).all()
    for extremes, values in ((stop.upper, q), (stop.fastest, v)):
        assert (values <= extremes + ROUNDING).all()
    assert all((m.q <= stop.upper + ROUNDING).all() and (m.q >= stop.lower - ROUNDING).all() for m in dense)
    assert all((m.v <= stop.fastest + ROUNDING).all() and (m.v >= stop.slowest - ROUNDING).all() for m in dense)
