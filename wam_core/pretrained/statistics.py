"""The statistics that Fast-WAM publishes beside its weights, as ours."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wam_core.contract import FloatArray
from wam_core.data.statistics import CONSTANT_RANGE, ColumnStatistics
from wam_core.errors import ContractError, look_up

FIELDS = ("mean", "std", "min", "max", "q01", "q99")


def read_statistics(path: Path, columns: Mapping[str, tuple[str, ...]]) -> dict[str, ColumnStatistics]:
    """``{action|state: {key: {global_mean, ..., stepwise_mean, ...}}}`` to statistics by column; actions also by step.

    Args:
        columns: names of the columns of ``action`` and ``state``, in the order of the file.

    Returns:
        ``action`` (``gripper``), ``action_steps`` (``gripper@31``) and ``state``.

    Raises:
        ContractError: no readable JSON, a part or field that is missing, another number of columns than names.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ContractError("statistics", f"{path}: {error}", "a JSON file of statistics") from error
    tables = {part: _only(content, part) for part in ("action", "state")}
    steps = np.asarray(look_up(tables["action"], "stepwise_mean", "statistics.action"), np.float64)
    by_step = tuple(f"{name}@{step}" for step in range(len(steps)) for name in columns["action"])
    return {
        "action": _table(tables["action"], "global", columns["action"], "action"),
        "action_steps": _table(tables["action"], "stepwise", by_step, "action"),
        "state": _table(tables["state"], "global", columns["state"], "state"),
    }


def _only(content: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    keys = content.get(part, {}) if isinstance(content, Mapping) else {}
    if len(keys) != 1:
        raise ContractError(f"statistics.{part}", sorted(keys), "one entry, of all columns joined")
    return next(iter(keys.values()))


def _table(raw: Mapping[str, Any], kind: str, names: tuple[str, ...], part: str) -> ColumnStatistics:
    values: dict[str, FloatArray] = {}
    for field in FIELDS:
        name = f"{kind}_{field}"
        flat = np.asarray(look_up(raw, name, f"statistics.{part}"), np.float64).reshape(-1)
        if flat.shape != (len(names),):
            raise ContractError(f"statistics.{part}.{name}", len(flat), f"{len(names)} numbers, of {names[0]} ...")
        values[field] = flat
    constant = tuple(bool(c) for c in values["max"] - values["min"] < CONSTANT_RANGE)
    return ColumnStatistics(names=names, constant=constant, **values)
