"""Success against what it costs, as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from wam_core.evaluation.report.tables import CLONING

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

#: Name of the plot -> field of a row's cost, label of the axis.
AXES: Mapping[str, tuple[str, str]] = {
    "latency": ("cpu_ms", "ms of one thread for a chunk"),
    "memory": ("peak_mb", "peak memory of a chunk, weights included (MB)"),
}


def save_plots(rows: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """``report_<axis>.png`` for each of :data:`AXES`: success with its interval, one point a preset."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_save(rows, folder / f"report_{name}.png", *axis) for name, axis in AXES.items()]


def _save(rows: Sequence[Mapping[str, Any]], file: Path, field: str, label: str) -> Path:
    figure, panel = pyplot.subplots(figsize=(9.0, 5.2))
    for row in rows:
        success, x = row["success"], row["cost"][field]
        rate, (low, high) = success["succeeded"] / success["episodes"], success["interval_95"]
        colour = "tab:red" if row["preset"] == CLONING else "tab:blue"
        panel.errorbar(x, rate, yerr=[[rate - low], [high - rate]], fmt="o", color=colour, linewidth=0.6, markersize=4)
        panel.annotate(row["preset"], (x, rate), (3, 3), textcoords="offset points", fontsize=6, rotation=35)
    panel.set_xscale("log")
    panel.set_ylim(-0.02, 1.02)
    panel.set_xlabel(label)
    panel.set_ylabel("success at the budget, 95 % interval")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
    return file
