"""A report's rows for people: Markdown, and what the plots show."""

from collections.abc import Mapping, Sequence
from typing import Any

from wam_core.cell.variations import VARIATIONS
from wam_core.evaluation.report.failures import TAGS

#: The preset without any future, which has seen what the others have seen.
CLONING = "behaviour_cloning"

HEAD = (
    "preset",
    "system",
    "success [95 %]",
    "blind [95 %]",
    "ms/chunk (CPU)",
    "M parameters",
    "GFLOP/chunk",
    "peak MB",
    "PSNR over copy [95 %]",
    "sustained",
    "failures",
)


def markdown(rows: Sequence[Mapping[str, Any]], missing: Mapping[str, str], systems: Mapping[str, str]) -> str:
    """The report.

    Args:
        rows: measured ones, of one budget and one set of recordings; some may lack parts.
        missing: preset -> why it has no row.
        systems: preset -> the system that it follows.
    """
    ranked = sorted(rows, key=lambda r: (-r["success"]["succeeded"], r["cost"]["cpu_ms"]))
    lines = ["# Accuracy at budget", "", *_budget(rows), ""]
    lines += [_line(HEAD), _line(["---"] * len(HEAD))]
    lines += [_line(_cells(row, systems.get(row["preset"], ""))) for row in ranked]
    if any("generalising" in row for row in ranked):
        lines += ["", "## Generalising", "", *_generalising(ranked)]
    if any("properties" in row for row in ranked):
        lines += ["", "## Properties", "", *_properties(ranked)]
    if departures := [line for row in ranked for line in _departures(row)]:
        lines += ["", "## Not as shipped", "", *departures]
    if missing:
        lines += ["", "## Without a row", ""] + [f"- `{name}`: {why}" for name, why in missing.items()]
    return "\n".join([*lines, "", *_legend(), ""])


def _budget(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return ["Nothing has been measured."]
    b, e = rows[0]["question"]["trained"]["budget"], rows[0]["question"]["measured"]
    t, first = rows[0]["training"], rows[0]
    seconds = sorted(row["training"]["cpu_seconds"] for row in rows)
    return [
        f"Every preset was trained from scratch for {b['updates']} updates of {b['batch']} windows, drawn from "
        f"{t['windows']} windows of {t['demonstrations']} demonstrations, seed {b['seed']}; video VAEs for "
        f"{b['vae_updates']} updates of 8 clips, one for all presets that have the same. Encoding and training took "
        f"{seconds[0]:.0f} to {seconds[-1]:.0f} s of one core ({first['machine']}). Then episodes of each task "
        f"({', '.join(e['tasks'])}) from seed {e['seed']} on, {e['episodes']} of each as demonstrated "
        f"and {e['varied_episodes']} under each variation, chunks {e['delay_ms']} ms late.",
        "",
        f"    wam report --updates {b['updates']} --batch {b['batch']} --vae-updates {b['vae_updates']} "
        f"--tasks {','.join(e['tasks'])} --episodes {e['episodes']} --varied-episodes {e['varied_episodes']} "
        f"--seed {b['seed']} --data <recordings> --out <folder>",
        "",
        "The presets' own files ask for far more updates, with augmented copies of the data: this compares what is "
        "learned first and what a chunk costs, not what the systems reach.",
    ]


def _cells(row: Mapping[str, Any], system: str) -> list[str]:
    cost, futures = row["cost"], row["futures"]
    gain = "no pictures"
    if futures:
        low, high = futures["psnr_gain_ci"]
        gain = f"{futures['psnr_gain']:+.2f} dB [{low:+.2f}, {high:+.2f}]"
    tags = row["success"]["failures"]
    return [
        f"`{row['preset']}`",
        system or "–",
        _rate(row["success"]),
        _rate(row["blind"]) if row["blind"] else "–",
        f"{cost['latency_ms']:.0f} ({cost['cpu_ms']:.0f})",
        f"{cost['parameters'] / 1e6:.1f} + {cost['frozen_parameters'] / 1e6:.1f}",
        f"{cost['gflops']:.2f}",
        f"{cost['peak_mb']:.0f}",
        gain,
        "–" if row["sustained_s"] is None else f"{row['sustained_s']:.1f} s",
        ", ".join(f"{tags[tag]} {tag}" for tag in TAGS if tag in tags) or "none",
    ]


def _properties(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each preset holds, and what was seen."""
    marks = {True: "holds", False: "**does not hold**", None: "nothing to hold"}
    lines = [_line(("preset", "property", "", "found")), _line(["---"] * 4)]
    for row in rows:
        for k, finding in enumerate(row.get("properties", ())):
            name = "" if k else f"`{row['preset']}`"
            lines.append(_line((name, finding["name"], marks[finding["holds"]], finding["found"])))
    return [*lines, *_untried("properties", rows)]


def _generalising(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Success as trained and under each variation."""
    varied = [name for name in VARIATIONS if name != "none"]
    lines = [_line(("preset", "as trained", *varied)), _line(["---"] * (2 + len(varied)))]
    for row in rows:
        if found := row.get("generalising"):
            cells = (_rate(row["success"]), *(_rate(found[name]) for name in varied))
            lines.append(_line((f"`{row['preset']}`", *cells)))
    return [*lines, *_untried("generalising", rows)]


def _untried(part: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The presets whose rows were made before there was that part, or without time for it."""
    names = sorted(row["preset"] for row in rows if part not in row)
    return ["", f"Not tried: {', '.join(f'`{name}`' for name in names)}."] if names else []


def _departures(row: Mapping[str, Any]) -> list[str]:
    """What of a preset's parameter file is not as the shipped one of its name has it."""
    return [
        f"- `{row['preset']}`: `{field}` is `{own}`, and `{shipped}` in the shipped preset"
        for field, (own, shipped) in row.get("departures", {}).items()
    ]


def _rate(success: Mapping[str, Any]) -> str:
    low, high = success["interval_95"]
    return f"{success['succeeded']}/{success['episodes']} [{low:.0%}, {high:.0%}]"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _legend() -> list[str]:
    tags = "; ".join(f"*{tag}*: {meaning}" for tag, meaning in TAGS.items())
    held_out = "; ".join(f"*{name}*: {v.about}" for name, v in VARIATIONS.items() if name != "none")
    return [
        "How to read it:",
        "",
        f"- `{CLONING}` is the cloning baseline: same data, same updates, no future. *blind* repeats a preset's "
        "episodes with its cameras frozen to the first training picture: one that is no better than that has not "
        "learned to look.",
        "- Intervals of success are Wilson's; those of PSNR are bootstrapped over held-out demonstrations.",
        "- *ms/chunk* is the median over all chunks of the episodes: wall time, and in brackets the thread's own time, "
        "on one thread beside other work. The first number of parameters is the model's, the second the frozen "
        "substrates'.",
        "- *GFLOP* counts matrix products, convolutions and attention from the observation to the chunk. *peak MB* is "
        "the weights and the most that tensors of one chunk take at once.",
        "- *sustained* is how far ahead, from the first predicted instant on, predicted pictures are closer to the "
        "recorded ones than the picture that they started from.",
        f"- Generalising: the same tasks and seeds with one thing held out from all demonstrations. {held_out}.",
        f"- Failures: {tags}. What cannot be touched, only seen, counts as touched from near.",
    ]
