"""A study's answers as pictures, one for each question, one of costs, one of learning curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from wam_core.evaluation.study.compare import Rows, outcomes, rate
from wam_core.evaluation.study.plan import Plan
from wam_core.evaluation.study.tables import CONDITIONS

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def save_figures(plan: Plan, name: str, rows: Rows, folder: Path) -> list[Path]:
    """``<name>_<question>.png``, ``<name>_cost.png`` and ``<name>_curves.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [_question(plan, key, rows, folder / f"{name}_{key}.png") for key in plan.questions]
    return [*files, _cost(plan, rows, folder / f"{name}_cost.png"), _curves(plan, rows, folder / f"{name}_curves.png")]


def colour_of(plan: Plan, arm: str) -> Any:
    """The same for an arm in all pictures."""
    return pyplot.get_cmap("tab10")(list(plan.arms).index(arm) % 10)


def _question(plan: Plan, key: str, rows: Rows, file: Path) -> Path:
    """One panel for each condition that there are episodes of; arms beside each other at each size."""
    arms = list(dict.fromkeys(arm for pair in plan.questions[key].pairs for arm in pair))
    conditions = [c for c in plan.conditions if any(c in row["success"] for row in rows)] or plan.conditions[:1]
    sizes = [n for n in plan.demonstrations if any(row["demonstrations"] == n for row in rows)]
    size = (max(5.6, 1.6 + 2.9 * len(conditions)), 3.6)
    figure, panels = pyplot.subplots(1, len(conditions), figsize=size, sharey=True, squeeze=False)
    for panel, condition in zip(panels[0], conditions, strict=True):
        for k, arm in enumerate(arms):
            found = [(i, rate(outcomes(rows, arm, n, condition))) for i, n in enumerate(sizes)]
            there = [(i + 0.14 * (k - (len(arms) - 1) / 2), e) for i, e in found if e]
            x, means = [x for x, _ in there], [e.mean for _, e in there]
            errors = [[e.mean - e.low for _, e in there], [e.high - e.mean for _, e in there]]
            panel.errorbar(x, means, yerr=errors, fmt="o-", label=arm, color=colour_of(plan, arm), capsize=3)
        panel.set_xticks(range(len(sizes)), labels=list(map(str, sizes)))
        panel.set_xlim(-0.5, max(len(sizes), 1) - 0.5)
        panel.set_ylim(-0.02, 1.02)
        panel.set_xlabel("demonstrations of each task")
        panel.set_title(CONDITIONS.get(condition, condition))
    panels[0, 0].set_ylabel("success, 95 % interval")
    columns = len(arms) if len(conditions) > 1 else 2
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=columns, fontsize=8)
    return _saved(figure, file)


def _cost(plan: Plan, rows: Rows, file: Path) -> Path:
    """Success as demonstrated, with the most demonstrations there are of, against the time of a chunk."""
    figure, panel = pyplot.subplots(figsize=(6.4, 4.0))
    for arm in plan.arms:
        own = [r for r in rows if r["arm"] == arm and "cost" in r]
        if not own:
            continue
        most = max(r["demonstrations"] for r in own)
        found = rate(outcomes(rows, arm, most, plan.conditions[0]))
        if found:
            x = float(np.median([r["cost"]["cpu_ms"] for r in own]))
            errors = [[found.mean - found.low], [found.high - found.mean]]
            panel.errorbar(x, found.mean, yerr=errors, fmt="o", color=colour_of(plan, arm), capsize=2)
            panel.annotate(f"{arm} ({most})", (x, found.mean), (5, 4), textcoords="offset points", fontsize=8)
    panel.set_ylim(-0.02, 1.02)
    panel.set_xlim(0.0, 1.35 * max((panel.dataLim.x1, 1.0)))
    panel.set_xlabel("ms of one thread for a chunk")
    panel.set_ylabel("success, 95 % interval")
    return _saved(figure, file)


def _curves(plan: Plan, rows: Rows, file: Path) -> Path:
    """Held-out losses while training: mean over trainings, and from the least to the greatest."""
    trained = [r for r in rows if "cost" in r]
    groups = ("action", "future")
    sizes = [n for n in plan.demonstrations if any(r["demonstrations"] == n for r in trained)] or [0]
    shape = (len(groups), len(sizes))
    figure, panels = pyplot.subplots(*shape, figsize=(4.2 * len(sizes), 5.6), squeeze=False, sharex=True)
    for column, n in enumerate(sizes):
        for line, group in enumerate(groups):
            panel = panels[line, column]
            for arm in plan.arms:
                _band(panel, [r for r in trained if (r["arm"], r["demonstrations"]) == (arm, n)], group, arm, plan)
            panel.set_title(f"{group}, {n} demonstrations", fontsize=9)
    panels[-1, 0].set_xlabel("updates")
    panels[0, 0].set_ylabel("held-out loss")
    if panels[0, 0].has_data():
        panels[0, 0].legend(fontsize=7)
    return _saved(figure, file)


def _band(panel: Any, rows: Sequence[Any], group: str, arm: str, plan: Plan) -> None:
    # A future that was never taught has a loss, but no curve.
    taught = [r for r in rows if group in r["training"]["held_out"] and (group == "action" or r["futures"])]
    curves = [r["training"]["curve"] for r in taught]
    if not curves:
        return
    steps = [step for step, _ in curves[0]]
    losses = np.array([[held_out[group] for _, held_out in curve] for curve in curves])
    panel.plot(steps, losses.mean(axis=0), label=arm, color=colour_of(plan, arm))
    panel.fill_between(steps, losses.min(axis=0), losses.max(axis=0), color=colour_of(plan, arm), alpha=0.15)


def _saved(figure: Any, file: Path) -> Path:
    figure.set_layout_engine("constrained")
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
    return file
