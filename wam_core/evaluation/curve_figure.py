"""A curve of success against latency as a picture."""

from pathlib import Path

import matplotlib

from wam_core.curve import Curve, usual_ms
from wam_core.dial import Dial

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def save_curve_figure(path: Path, curve: Curve) -> None:
    """Success with its interval over the latency, one mark a point; the frozen cameras as a line."""
    figure, panel = pyplot.subplots(figsize=(7.0, 4.0))
    for k, point in enumerate(curve.points):
        low, high = point.interval
        bars = [[max(point.success - low, 0.0)], [max(high - point.success, 0.0)]]  # a bound may be off by a rounding
        taken = usual_ms(curve.points, point)
        panel.errorbar(taken, point.success, yerr=bars, fmt="o", color="tab:blue", capsize=3, markersize=5)
        where = (taken, point.success)
        panel.annotate(_label(point.dial), where, (6, -12 - 12 * (k % 3)), textcoords="offset points", fontsize=8)
    rate, (low, high) = curve.frozen
    panel.axhline(rate, color="tab:red", linewidth=1.0, label="cameras frozen")
    panel.axhspan(low, high, color="tab:red", alpha=0.12)
    panel.set_ylim(-0.02, 1.04)
    panel.set_xlim(0.0, 1.15 * max(usual_ms(curve.points, p) for p in curve.points))
    panel.set_xlabel(f"ms of a chunk, by the ratios of {curve.measured.get('rounds', 'some')} paired rounds")
    panel.set_ylabel("success, 95 % interval")
    panel.set_title(f"{curve.model}: {', '.join(curve.measured.get('tasks', ()))}", fontsize=10)
    panel.legend(loc="center right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _label(dial: Dial) -> str:
    """What of the dial is turned."""
    said = {
        f"{dial.denoising_steps} steps": dial.denoising_steps,
        f"horizon {dial.imagined_horizon}": dial.imagined_horizon,
        f"reuse {dial.cache_reuse}": dial.cache_reuse > 1,
    }
    return ", ".join(text for text, turned in said.items() if turned) or "as the preset"
