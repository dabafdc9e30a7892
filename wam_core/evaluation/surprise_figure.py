"""Surprise with and without the unseen hand, as pictures: over time, and where in the picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np

from wam_core.evaluation.film_strip import Row, draw
from wam_core.evaluation.surprise import Surprise, overlay
from wam_core.evaluation.unseen_hand import Course, summary

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

TICKS = (0.1, 0.3, 1.0, 3.0, 10.0)


def save_surprise_figure(file: Path, pairs: Mapping[str, Sequence[tuple[Course, Course]]], seed: int) -> None:
    """One panel per task: thin lines are episodes, thick ones their medians.

    The dashed line is the hand, the dotted one the surprise that one undisturbed episode in twenty comes to.
    """
    figure, panels = pyplot.subplots(1, len(pairs), figsize=(4.6 * len(pairs), 3.6), squeeze=False, sharey=True)
    for panel, (task, found) in zip(panels[0], pairs.items(), strict=True):
        moved_s = found[0][1].moved_s
        for which, colour, label in ((0, "tab:blue", "undisturbed"), (1, "tab:red", "object moved")):
            courses = [_by_instant(pair[which]) for pair in found]
            for course in courses:
                panel.plot(list(course), list(course.values()), color=colour, linewidth=0.5, alpha=0.5)
            instants = sorted({second for course in courses for second in course})
            medians = [np.nanmedian([c[second] for c in courses if second in c]) for second in instants]
            panel.plot(instants, medians, color=colour, linewidth=2.2, label=label)
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
        panel.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
        panel.yaxis.set_minor_formatter("")
        panel.set_xlabel("s since the episode began")
    panels[0][0].set_ylabel("surprise (1: one calm episode in 20)")
    panels[0][0].legend(fontsize=8, loc="upper left")
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def save_overlays(file: Path, found: Mapping[str, tuple[Sequence[Surprise], Sequence[Surprise]]]) -> None:
    """One future of each task: what was imagined, and by what surprise it came undisturbed and with the hand.

    Args:
        found: task -> surprises of its instants in both episodes; shown are those that both lived to see.
    """
    titles, imagined, calm, moved = [], [], [], []
    for task, pair in found.items():
        camera = next(iter(pair[0][0].maps))
        for undisturbed, disturbed in zip(*pair, strict=False):
            comparison = undisturbed.comparison
            titles.append(f"{task} +{(comparison.stamp_ns - comparison.imagined_ns) / 1e9:.1f} s")
            imagined.append(comparison.imagined[camera])
            calm.append(overlay(undisturbed)[camera])
            moved.append(overlay(disturbed)[camera])
    rows = [Row("imagined", imagined), Row("undisturbed", calm), Row("moved", moved)]
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), draw(titles, rows)[:, :, ::-1])


def _by_instant(course: Course) -> dict[float, float]:
    """Second -> the greatest surprise of all that was imagined for that instant."""
    greatest: dict[float, float] = {}
    for second, value in zip(course.seconds, course.values, strict=True):
        greatest[round(second, 1)] = max(value, greatest.get(round(second, 1), 0.0))
    return dict(sorted(greatest.items()))
