"""Success against latency: which point of a curve holds a budget, and that one is held to it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.curve import HEADROOM, LEAST, Curve, LatencyBudget, Point, choose, load_curve, save_curve
from wam_core.dial import Dial
from wam_core.errors import ContractError
from wam_core.evaluation.curve_figure import save_curve_figure
from wam_core.evaluation.curve_study import Plan, measure
from wam_core.evaluation.rollout import EpisodeResult
from wam_core.provenance import checkpoint_digest


def point(number: int, success: float, ratio: float) -> Point:
    """Of a curve whose first point took 1 ms; medians of the others are of other minutes, and say nothing."""
    return Point(Dial(number), success, (0.0, 1.0), {"reach": (3,)}, 1.0, 2.0, ratio, (0.9 * ratio, 1.1 * ratio))


positive = st.floats(1.0, 1000.0)
rows = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 0.9, 1.0]), positive), min_size=1, max_size=6)
curves = rows.map(lambda found: [point(k + 1, *row) for k, row in enumerate(found)])


@given(curves, positive, st.floats(0.1, 10.0))
def test_the_best_that_fits_is_taken_or_else_the_fastest(points: list[Point], budget: float, slowness: float) -> None:
    """A point was taken that does not hold the budget, or a worse one than the budget allows."""
    found = choose(points, budget, slowness)
    fits = [p for p in points if slowness * p.ratio <= budget]
    assert found.fits == bool(fits) and found.expected_ms == slowness * found.point.ratio
    if fits:
        assert found.point in fits
        assert not any((p.success, -p.ratio) > (found.point.success, -found.point.ratio) for p in fits)
    else:
        assert found.point.ratio == min(p.ratio for p in points)


@given(curves, positive, positive, st.floats(0.1, 10.0))
def test_who_may_take_longer_does_no_worse(points: list[Point], one: float, other: float, slowness: float) -> None:
    """A larger budget brought a smaller success."""
    low, high = (choose(points, budget, slowness) for budget in sorted((one, other)))
    assert not low.fits or high.point.success >= low.point.success


@given(curves, st.floats(0.9, 1.2), st.lists(st.floats(1.0, 0.999 / HEADROOM), min_size=3, max_size=9), positive)
def test_a_machine_whose_speed_varies_a_little_is_not_sent_up_and_down(
    points: list[Point], tight: float, wobble: list[float], slowness: float
) -> None:
    """The dial flapped between two points, each left as soon as it was reached."""
    budget = tight * slowness * points[0].ratio
    current: Point | None = None
    used: list[Point] = []
    for factor in wobble:
        found = choose(points, budget, slowness * factor, current)
        if not found.fits:
            return
        if found.point != current:
            used.append(found.point)
        current = found.point
        assert choose(points, budget, slowness * factor, current).point == current
    assert all(p not in used[:k] for k, p in enumerate(used)), "a point was left, and come back to"


def drive(budget: LatencyBudget, limit_ms: float, chunks: int, slow: float) -> list[Dial]:
    used = []
    for _ in range(chunks):
        found = budget.choice(limit_ms).point
        used.append(found.dial)
        budget.took(slow * found.ratio)
    return used


def test_a_slow_machine_goes_down_and_a_quick_one_up_after_some_chunks() -> None:
    """A budget was held by the curve of another machine, which was twice as fast; or the dial turned at every chunk."""
    points = [point(1, 0.8, 10.0), point(5, 0.9, 20.0), point(8, 1.0, 40.0)]
    budget = LatencyBudget(points)
    used = drive(budget, 50.0, 40, 2.0)
    assert used[:LEAST] == [Dial(8)] * LEAST and used[LEAST:] == [Dial(5)] * 35
    assert budget.choice(50.0).expected_ms == pytest.approx(40.0) and budget.slowness == pytest.approx(2.0)
    used = drive(budget, 50.0, 60, 1.0)
    assert used[-1] == Dial(8) and used.count(Dial(8)) + used.count(Dial(5)) == 60
    assert not budget.choice(5.0).fits and budget.choice(5.0).point.dial == Dial(1)


def test_one_late_chunk_among_many_changes_nothing() -> None:
    """A hiccup of the machine cost success for as long as it was remembered."""
    budget = LatencyBudget([point(1, 0.8, 10.0), point(5, 0.9, 20.0)])
    drive(budget, 30.0, 19, 1.0)
    budget.choice(30.0)
    budget.took(500.0)
    assert set(drive(budget, 30.0, 30, 1.0)) == {Dial(5)}


def test_a_curve_comes_back_from_its_file(tmp_path: Path) -> None:
    """A field was written and not read."""
    rng = np.random.default_rng(0)
    points = tuple(point(k, float(rng.random()), 1.0 + float(rng.random())) for k in range(3))
    curve = Curve("fast_wam", "abc", points, (0.1, (0.0, 0.2)), {"date": "2026-11-22", "seeds": [0, 20]})
    save_curve(tmp_path / "curve.json", curve)
    assert load_curve(tmp_path / "curve.json") == curve


@pytest.mark.parametrize("text", ["", "{}", '{"points": [], "model": "", "digest": "", "frozen": [0, [0, 1]]}'])
def test_what_is_no_curve_is_refused(text: str, tmp_path: Path) -> None:
    """A budget was held by nothing."""
    with pytest.raises(ContractError, match="wam bench curve"):
        load_curve(tmp_path / "none.json")
    (tmp_path / "curve.json").write_text(text)
    with pytest.raises(ContractError, match="curve"):
        load_curve(tmp_path / "curve.json")


@pytest.mark.slow
def test_a_curve_is_of_the_same_episodes_at_every_point_and_of_frozen_cameras_beside_them(tmp_path: Path) -> None:
    """A point was better because its episodes were easier; latencies of two hours were divided by each other."""
    folder = make_tiny_checkpoint(tmp_path / "model", spread=0.06)
    ways = dict(rounds=3, threads=1, delay_ms=100, runtime="eager", renderer="raycast")
    plan = Plan(str(folder), "panda_cell", (Dial(1), Dial(40), Dial(1)), ("reach",), range(4, 6), **ways)
    ended: list[EpisodeResult] = []
    curve = measure(plan, 1, "2026-11-22", "here", ended.append)
    first, slow, again = curve.points
    assert (first.success, first.failed) == (again.success, again.failed)
    assert slow.ratio > 2.0 * again.ratio and first.ratio == 1.0 and slow.median_ms <= slow.p95_ms
    assert [r.seed for r in ended] == [4, 5] * 4 and curve.digest == checkpoint_digest(folder)
    assert curve.frozen == (sum(r.success for r in ended[-2:]) / 2, curve.frozen[1])
    save_curve_figure(tmp_path / "curve.png", curve)
    assert (tmp_path / "curve.png").stat().st_size > 5000
    with pytest.raises(ContractError, match=r"dial\.cache_reuse"):
        measure(replace(plan, dials=(Dial(cache_reuse=2),)), 1, "", "", ended.append)
    with pytest.raises(ContractError, match=r"plan\.seeds"):
        measure(replace(plan, seeds=range(0)), 1, "", "", ended.append)
