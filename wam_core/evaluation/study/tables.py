"""A study's rows for people: Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wam_core.evaluation.study.compare import Estimate, Rows, difference, level, outcomes, rate
from wam_core.evaluation.study.plan import Plan, Question

#: Condition -> how people read it.
CONDITIONS: Mapping[str, str] = {
    "none": "as demonstrated",
    "places": "held-out places",
    "colours": "held-out colours",
    "camera": "held-out camera poses",
}


def markdown(plan: Plan, name: str, rows: Rows, images: str) -> str:
    """The report; ``images`` is the folder of plots as links see it."""
    lines = [f"# {plan.title}", "", *_setup(plan, name, rows), ""]
    for key, question in plan.questions.items():
        lines += [f"## {question.asks}", "", f"![{key}]({images}/{name}_{key}.png)", ""]
        lines += [*_answers(plan, question, rows), ""]
    lines += ["## Success", "", *_success(plan, rows), ""]
    lines += ["## What each costs, and how well it predicts", "", f"![cost]({images}/{name}_cost.png)", ""]
    lines += [*_costs(plan, rows), "", "## Learning curves", "", f"![curves]({images}/{name}_curves.png)", ""]
    lines += ["## Which to run", "", *_choice(plan, rows), ""]
    lines += ["## What can and what cannot be concluded", "", *_conclusions(plan, rows), ""]
    return "\n".join(lines)


def _setup(plan: Plan, name: str, rows: Rows) -> list[str]:
    machines = sorted({row["machine"] for row in rows})
    trained = len([r for r in rows if not plan.arms[r["arm"]].weights_of])
    return [
        f"Tasks: {', '.join(plan.tasks)}. Every arm is trained from scratch for {plan.updates} updates of {plan.batch} "
        "windows of the same demonstrations, all of which show the future to the arms that learn from it, without "
        f"augmented copies, behind the frozen video VAE of `{plan.video_vae}`, once for each of {len(plan.seeds)} "
        f"seeds: {trained} trainings so far ({'; '.join(machines)}). Each then acts in {plan.episodes} episodes of "
        f"each task and condition, the same for all arms, with chunks {plan.delay_ms} ms late. {plan.held_out} "
        "demonstrations of each task are held out.",
        "",
        f"    wam study {name} --data <recordings> --out <folder> --docs docs",
        "",
        *(f"- `{arm}`: {plan.arms[arm].says}" for arm in plan.arms),
        "",
        "Intervals are 95 %, bootstrapped over trainings and over the episodes within each; differences are paired by "
        "training seed and by episode. Trainings are few: such intervals are rather too narrow than too wide.",
    ]


def _success(plan: Plan, rows: Rows) -> Iterator[str]:
    yield _line(("demonstrations", "arm", *(CONDITIONS.get(c, c) for c in plan.conditions), "trainings"))
    yield _line(["---"] * (3 + len(plan.conditions)))
    for n in plan.demonstrations:
        for arm in plan.arms:
            found = [rate(outcomes(rows, arm, n, condition)) for condition in plan.conditions]
            if any(found):
                trainings = max(e.trainings for e in found if e)
                yield _line((str(n), f"`{arm}`", *map(_share, found), str(trainings)))


def _answers(plan: Plan, question: Question, rows: Rows) -> Iterator[str]:
    yield _line(("demonstrations", "success of", "less that of", *(CONDITIONS.get(c, c) for c in plan.conditions)))
    yield _line(["---"] * (3 + len(plan.conditions)))
    for n in plan.demonstrations:
        for first, second in question.pairs:
            found = [_apart(rows, first, second, n, condition) for condition in plan.conditions]
            if any(found):
                yield _line((str(n), f"`{first}`", f"`{second}`", *map(_points, found)))


def _apart(rows: Rows, first: str, second: str, demonstrations: int, condition: str) -> Estimate | None:
    return difference(*(outcomes(rows, arm, demonstrations, condition) for arm in (first, second)))


def _costs(plan: Plan, rows: Rows) -> Iterator[str]:
    head = ("arm", "ms of one thread for a chunk", "GFLOP for a chunk", "M parameters", "training, min of one core")
    yield _line((*head, "PSNR over copied picture, dB"))
    yield _line(["---"] * (len(head) + 1))
    most = max(plan.demonstrations)
    for arm in plan.arms:
        own = [r for r in rows if r["arm"] == arm and "cost" in r]
        if not own:
            continue
        cost = {n: float(np.median([r["cost"][n] for r in own])) for n in ("cpu_ms", "gflops", "parameters")}
        minutes = float(np.median([r["training"]["cpu_seconds"] for r in own])) / 60
        gains = [r["futures"]["psnr_gain"] for r in own if r["futures"] and r["demonstrations"] == most]
        gains = gains or [r["futures"]["psnr_gain"] for r in own if r["futures"]]
        told = f"{np.mean(gains):+.2f} ({min(gains):+.2f} to {max(gains):+.2f})" if gains else "imagines no pictures"
        numbers = (
            f"{cost['cpu_ms']:.0f}",
            f"{cost['gflops']:.2f}",
            f"{cost['parameters'] / 1e6:.1f}",
            f"{minutes:.1f}",
        )
        yield _line((f"`{arm}`", *numbers, told))


def _choice(plan: Plan, rows: Rows) -> Iterator[str]:
    """Of the arms that are level with the highest, the one whose chunk costs least: what a robot would be given."""
    models = [name for name, arm in plan.arms.items() if arm.control == "none" and arm.future == "recorded"]
    for n in plan.demonstrations:
        found = level({arm: outcomes(rows, arm, n, plan.conditions[0]) for arm in models})
        own = {arm: [r["cost"]["cpu_ms"] for r in rows if r["arm"] == arm and "cost" in r] for arm in found}
        cost = {arm: float(np.median(ms)) for arm, ms in own.items() if ms}
        if cost:
            best = min(cost, key=lambda arm: cost[arm])
            rest = ", ".join(f"`{arm}` ({ms:.0f} ms)" for arm, ms in cost.items())
            yield f"- {n} demonstrations: **`{best}`**, the cheapest of those not told apart from the highest: {rest}."


def _conclusions(plan: Plan, rows: Rows) -> Iterator[str]:
    """Only what an interval carries; what it does not is said to be open."""
    for n in plan.demonstrations:
        for question in plan.questions.values():
            for first, second in question.pairs:
                found = _apart(rows, first, second, n, plan.conditions[0])
                if found is None:
                    continue
                verdict = "open"
                if found.told_apart:
                    verdict = f"`{first}` is {'better' if found.mean > 0 else 'worse'} than `{second}`"
                yield f"- {n} demonstrations, `{first}` against `{second}`: {verdict} ({_points(found)})."
    yield (
        f"- Nothing is said of longer training ({plan.updates} updates are a small part of what presets ask for), of "
        "other tasks, of larger models or of pretrained video models: there, imagination may matter more, or less."
    )
    short = sorted({n for n in plan.demonstrations for a in plan.arms if _trainings(rows, a, n) < len(plan.seeds)})
    if short:
        yield f"- Of {', '.join(map(str, short))} demonstrations not every arm has been trained with every seed yet."


def _trainings(rows: Rows, arm: str, demonstrations: int) -> int:
    return len([r for r in rows if (r["arm"], r["demonstrations"]) == (arm, demonstrations)])


def _share(found: Estimate | None) -> str:
    return "–" if found is None else f"{found.mean:.0%} [{found.low:.0%}, {found.high:.0%}]"


def _points(found: Estimate | None) -> str:
    if found is None:
        return "–"
    told = f"{100 * found.mean:+.0f} [{100 * found.low:+.0f}, {100 * found.high:+.0f}]"
    return f"**{told}**" if found.told_apart else told


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def table(rows: Rows) -> list[dict[str, Any]]:
    """What of the rows is kept in git: who succeeded where, losses, costs, predictions."""
    kept = ("arm", "demonstrations", "seed", "machine", "success", "training", "cost", "futures")
    return [{name: row[name] for name in kept if name in row} for row in rows]
