"""The rows of a study for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wam_core.evaluation.intervals import wilson_interval


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Success of each model in each task, and of its control; all tasks together come last."""
    tasks = rows[0]["question"]["tasks"]
    columns = [
        (f"`{Path(row['model']).stem}`{', blind' if control == 'blind' else ''}", row[control])
        for row in rows
        for control in ("seeing", "blind")
        if row.get(control)
    ]
    lines = [_line(["task", *(name for name, _ in columns)]), _line(["---"] * (1 + len(columns)))]
    lines += [_line([f"`{task}`", *(_rate(found[task]) for _, found in columns)]) for task in tasks]
    return "\n".join([*lines, _line(["all", *(_rate(_all(found)) for _, found in columns)]), ""])


def _all(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    good, of = (sum(rate[name] for rate in found.values()) for name in ("succeeded", "episodes"))
    return {"succeeded": good, "episodes": of, "interval_95": wilson_interval(good, of)}


def _rate(rate: Mapping[str, Any]) -> str:
    low, high = rate["interval_95"]
    return f"{rate['succeeded']}/{rate['episodes']} [{low:.0%}, {high:.0%}]"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
