"""Statistics and normalisation: laws that hold for every table of numbers."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wam_core.data.statistics import (
    METHODS,
    ColumnStatistics,
    column_statistics,
    denormalise,
    load_statistics,
    normalise,
    save_statistics,
    statistics_from_dict,
)
from wam_core.errors import ContractError

NAMES = ("x", "y", "gripper")
TABLES = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-1e3, 1e3, allow_subnormal=False)
)


@given(TABLES)
def test_statistics_are_ordered_and_survive_json(values: np.ndarray) -> None:
    """min <= q01 <= q99 <= max can fail by rounding, and JSON must not change a bit of what a checkpoint carries."""
    found = column_statistics(NAMES, values)
    assert np.all(found.min <= found.q01) and np.all(found.q01 <= found.q99) and np.all(found.q99 <= found.max)
    again = statistics_from_dict(found.to_dict())
    columns = ("mean", "std", "min", "max", "q01", "q99")
    assert all(np.array_equal(getattr(again, k), getattr(found, k)) for k in columns)
    assert again.constant == found.constant


@given(TABLES, st.sampled_from(sorted(METHODS)))
def test_denormalise_inverts_normalise(values: np.ndarray, method: str) -> None:
    """A pair that does not invert commands poses that no one demonstrated."""
    found = column_statistics(NAMES, values)
    normalised = normalise(found, values, method)
    assert np.all(np.isfinite(normalised))
    back = denormalise(found, normalised, method)
    assert np.allclose(back, values, rtol=1e-9, atol=2e-6)


@given(TABLES)
def test_min_max_stays_in_the_model_range(values: np.ndarray) -> None:
    """Values beyond [-1, 1] are clamped later and come back as other actions."""
    found = column_statistics(NAMES, values)
    assert np.all(np.abs(normalise(found, values, "min_max")) <= 1 + 1e-9)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_column_that_does_not_vary_is_zero_and_comes_back_whatever_the_model_says(method: str) -> None:
    """Dividing by a std of 0 makes NaN; by a tiny one it turns noise into full-scale commands."""
    values = np.stack([np.linspace(0, 1, 50), np.full(50, 0.3), np.full(50, 1.0)], axis=1)
    found = column_statistics(NAMES, values)
    assert found.constant == (False, True, True)
    assert np.all(normalise(found, values, method)[:, 1:] == 0)
    assert np.allclose(denormalise(found, np.full((4, 3), 7.0), method)[:, 1:], [0.3, 1.0])


def test_a_rare_gripper_change_keeps_its_range_under_quantile() -> None:
    """When under 1 % of the steps move the gripper, q01 = q99 and the column would be divided by nothing."""
    values = np.zeros((1000, 3))
    values[:, 0] = np.linspace(0, 1, 1000)
    values[:3, 2] = 1.0
    found = column_statistics(NAMES, values)
    assert found.constant == (False, True, False) and found.q01[2] == found.q99[2] == 0.0
    assert np.allclose(denormalise(found, normalise(found, values, "quantile"), "quantile"), values)


@pytest.mark.parametrize(
    ("field", "value"), [("mean", [np.nan, 0, 0]), ("q01", [9.0, 0, 0]), ("std", [0.0, 1, 1]), ("max", [1.0, 1.0])]
)
def test_impossible_statistics_are_refused(field: str, value: list[float]) -> None:
    """A damaged statistics file must stop loading, not scale the first action."""
    good = {
        "names": list(NAMES),
        "mean": [0.5] * 3,
        "std": [0.2] * 3,
        "min": [0.0] * 3,
        "max": [1.0] * 3,
        "q01": [0.1] * 3,
        "q99": [0.9] * 3,
        "constant": [False] * 3,
    }
    assert isinstance(statistics_from_dict(good), ColumnStatistics)
    with pytest.raises(ContractError, match="statistics"):
        statistics_from_dict(good | {field: value})


def test_nothing_is_computed_from_nothing_or_from_nan() -> None:
    """Statistics of an empty or damaged set would only fail much later."""
    with pytest.raises(ContractError, match="values"):
        column_statistics(NAMES, np.empty((0, 3)))
    with pytest.raises(ContractError, match=r"values\[1, 2\]"):
        column_statistics(NAMES, np.array([[0, 0, 0], [0, 0, np.inf]]))


def test_files_hold_several_tables(tmp_path: Path) -> None:
    """Action and proprioception statistics must not be mixed up."""
    rng = np.random.default_rng(0)
    tables = {name: column_statistics(NAMES, rng.normal(size=(9, 3))) for name in "ab"}
    save_statistics(tmp_path / "statistics.json", tables)
    again = load_statistics(tmp_path / "statistics.json")
    assert list(again) == ["a", "b"] and np.array_equal(again["b"].mean, tables["b"].mean)
