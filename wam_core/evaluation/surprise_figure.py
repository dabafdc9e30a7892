"""Surprise over time with and without the unseen hand, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

from wam_core.evaluation.unseen_hand import Course, summary

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def save_surprise_figure(file: Path, pairs: Mapping[str, Sequence[tuple[Course, Course]]], seed: int) -> None:
    """One panel per task: thin lines are episodes, thick ones their medians.

    The dashed line is the hand, the dotted one the surprise that one undisturbed episode in twenty comes to.
    """
    figure, panels = pyplot.subplots(1, len(pairs), figsize=(4.6 * len(pairs), 3.6), squeeze=False, sharey=True)
    for panel, (task, found) in zip(panels[0], pairs.items(), strict=True):
        moved_s = found[0][1].moved_s
        for which, colour, label in ((0, "tab:blue", "undisturbed"), (1, "tab:red", "object moved")):
            courses = [pair[which] for pair in found]
            for course in courses:
                panel.plot(course.seconds, course.values, color=colour, linewidth=0.4, alpha=0.5)
            instants = np.unique(np.round(np.concatenate([c.seconds for c in courses]), 1))
            panel.plot(instants, [_median(courses, s) for s in instants], color=colour, linewidth=2.2, label=label)
        panel.axvline(moved_s, color="black", linestyle="--", linewidth=1.0)
        panel.axhline(1.0, color="black", linestyle=":", linewidth=1.0)
        row = summary(task, found, seed)
        (low, high), count = row.ratio_interval, row.episodes
        panel.set_title(
            f"{task}: x{row.ratio:.1f} [{low:.1f}, {high:.1f}], {count} seeds\n"
            f"noticed {row.noticed}/{count}, false alarms {row.false_alarms}/{count}",
            fontsize=9,
        )
        panel.set_xlim(0.0, moved_s + 2.4)
        panel.set_yscale("log")
        panel.set_xlabel("s since the episode began")
    panels[0][0].set_ylabel("surprise (1: one calm episode in 20)")
    panels[0][0].legend(fontsize=8, loc="upper left")
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def _median(courses: Sequence[Course], second: float) -> float:
    values = [v for c in courses for s, v in zip(c.seconds, c.values, strict=True) if abs(s - second) < 0.05]
    return float(np.nanmedian(values)) if values else float("nan")
