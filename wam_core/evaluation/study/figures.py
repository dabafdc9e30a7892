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
    arms = list(dict.fromkeys(arm for pair in plan.questions[key].pairs for arm in pair))
    figure, panels = pyplot.subplots(1, len(plan.conditions), figsize=(4.2 * len(plan.conditions), 3.4), sharey=True)
    for panel, condition in zip(np.atleast_1d(panels), plan.conditions, strict=True):
        for k, arm in enumerate(arms):
            points = [(n, rate(outcomes(rows, arm, n, condition))) for n in plan.demonstrations]
            there = [(n * 1.03 ** (k - len(arms) / 2), found) for n, found in points if found]
            if there:
                x, found = zip(*there, strict=True)
                errors = [[f.mean - f.low for f in found], [f.high - f.mean for f in found]]
                means = [f.mean for f in found]
                panel.errorbar(x, means, yerr=errors, fmt="o-", label=arm, color=colour_of(plan, arm), capsize=2)
        panel.set_xscale("log")
        panel.set_xticks(plan.demonstrations, labels=list(map(str, plan.demonstrations)))
        panel.minorticks_off()
        panel.set_ylim(-0.02, 1.02)
        panel.set_xlabel("demonstrations of each task")
        panel.set_title(CONDITIONS.get(condition, condition))
    np.atleast_1d(panels)[0].set_ylabel("success, 95 % interval")
    np.atleast_1d(panels)[0].legend(fontsize=8)
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
    panel.set_xlim(left=0)
    panel.margins(x=0.25)
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
            panel.set_yscale("log")
            panel.set_title(f"{group}, {n} demonstrations", fontsize=9)
    panels[-1, 0].set_xlabel("updates")
    panels[0, 0].set_ylabel("held-out loss")
    if panels[0, 0].has_data():
        panels[0, 0].legend(fontsize=7)
    return _saved(figure, file)


def _band(panel: Any, rows: Sequence[Any], group: str, arm: str, plan: Plan) -> None:
    curves = [r["training"]["curve"] for r in rows if group in r["training"]["held_out"]]
    if not curves:
        return
    steps = [step for step, _ in curves[0]]
    losses = np.array([[held_out[group] for _, held_out in curve] for curve in curves])
    panel.plot(steps, losses.mean(axis=0), label=arm, color=colour_of(plan, arm))
    panel.fill_between(steps, losses.min(axis=0), losses.max(axis=0), color=colour_of(plan, arm), alpha=0.15)


def _saved(figure: Any, file: Path) -> Path:
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
    return file
