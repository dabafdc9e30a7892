"""Published statistics: what is read is what was written, and what is missing is named."""

import json
from pathlib import Path

import numpy as np
import pytest

from wam_core.data.statistics import ColumnStatistics, denormalise, normalise
from wam_core.errors import ContractError
from wam_core.pretrained.statistics import FIELDS, read_statistics

COLUMNS = {"action": ("x", "y", "gripper"), "state": ("x", "y")}
STEPS = 4


def content(seed: int = 0) -> dict[str, dict[str, dict[str, object]]]:
    """What the authors' code writes for a random data set."""
    rng = np.random.default_rng(seed)
    made = {}
    for part, names in COLUMNS.items():
        data = rng.normal(rng.normal(size=len(names)), 0.1 + rng.random(len(names)), (50, STEPS, len(names)))
        made[part] = {"default": {**_fields(data, 0, "stepwise"), **_fields(data.reshape(-1, len(names)), 0, "global")}}
    return made


def _fields(data: np.ndarray, axis: int, kind: str) -> dict[str, object]:
    quantiles = np.quantile(data, [0.01, 0.99], axis=axis)
    values = (data.mean(axis), data.std(axis), data.min(axis), data.max(axis), *quantiles)
    return {f"{kind}_{field}": value.tolist() for field, value in zip(FIELDS, values, strict=True)}


def read(raw: object, folder: Path) -> dict[str, ColumnStatistics]:
    (folder / "dataset_stats.json").write_text(json.dumps(raw))
    return read_statistics(folder / "dataset_stats.json", COLUMNS)


@pytest.mark.parametrize("method", ["min_max", "z_score", "quantile"])
def test_published_numbers_normalise_as_published(method: str, tmp_path: Path) -> None:
    """Steps and columns were exchanged in the flattened chunk: every action was scaled by another's range."""
    raw = content()
    tables = read(raw, tmp_path)
    published = raw["action"]["default"]
    chunk = np.random.default_rng(1).normal(size=(STEPS, 3))
    for table, kind, shape in (("action", "global", (3,)), ("action_steps", "stepwise", (STEPS, 3))):
        low, high, mean, std, q01, q99 = (
            np.reshape(published[f"{kind}_{f}"], shape) for f in ("min", "max", "mean", "std", "q01", "q99")
        )
        expected = {
            "min_max": 2 * (chunk - low) / (high - low) - 1,
            "z_score": (chunk - mean) / std,
            "quantile": 2 * (chunk - q01) / (q99 - q01) - 1,
        }[method]
        flat = chunk if kind == "global" else chunk.reshape(-1)
        got = normalise(tables[table], flat, method)
        assert np.allclose(got.reshape(STEPS, 3), expected)
        assert np.allclose(denormalise(tables[table], got, method), flat)


def test_missing_statistics_are_named(tmp_path: Path) -> None:
    """A key that the statistics lacked was taken as already normalised, and the arm moved a hundred times too far."""
    raw = content()
    del raw["action"]["default"]["global_q99"]
    with pytest.raises(ContractError, match=r"statistics.action: got 'global_q99'.*did you mean 'global_q01'"):
        read(raw, tmp_path)
    raw = content()
    raw["state"]["default"]["global_min"] = [0.0]
    with pytest.raises(ContractError, match=r"statistics.state.global_min: got 1, expected 2 numbers"):
        read(raw, tmp_path)
    with pytest.raises(ContractError, match=r"statistics.state: got \[\], expected one entry"):
        read({"action": content()["action"]}, tmp_path)
    (tmp_path / "cut.json").write_text("{")
    with pytest.raises(ContractError, match="cut.json"):
        read_statistics(tmp_path / "cut.json", COLUMNS)
