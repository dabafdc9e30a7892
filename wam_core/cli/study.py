"""A question asked of several ways of training, at several sizes and seeds, answered with intervals.

What is in --out already is not done again. Rows that are there are written as Markdown, JSON and plots.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wam_core.errors import look_up
from wam_core.evaluation.study.entry import Place, missing, row_of
from wam_core.evaluation.study.plan import Entry, Plan, load_plan
from wam_core.evaluation.study.spread import SPREADS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", help="a name in config/studies, or a file like those")
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings that wam collect made")
    parser.add_argument("--out", type=Path, required=True, help="folder of rows and weights")
    parser.add_argument("--docs", type=Path, help="folder of the report and its images; default: --out")
    parser.add_argument("--arms", default="", help="some of them, with commas")
    parser.add_argument("--demonstrations", default="", help="some of the sizes, with commas")
    parser.add_argument("--seeds", default="", help="some of the training seeds, with commas")
    parser.add_argument("--conditions", default="", help="some of the conditions of episodes, with commas")
    parser.add_argument("--only-write", action="store_true", help="train nothing, write what is there")
    parser.add_argument("--spread", default="processes", choices=tuple(SPREADS), help="over what trainings spread")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--renderer", default="auto")


def run(arguments: argparse.Namespace) -> int:
    """Do what is not there yet, then write the report; 0 when all that was asked for has its row."""
    name, plan = load_plan(arguments.study)
    place = Place(arguments.data.resolve(), arguments.out.resolve(), arguments.renderer)
    conditions = [c for c in arguments.conditions.split(",") if c] or list(plan.conditions)
    for condition in conditions:
        look_up(dict.fromkeys(plan.conditions), condition, "conditions")
    part, asked = replace(plan, conditions=tuple(conditions)), _asked(plan, arguments)
    undone = [e for e in asked if any(missing(part, row, place) for row in plan.acting(e))]
    if undone and not arguments.only_write:
        for lines in SPREADS[arguments.spread](part, undone, place, arguments.jobs):
            print("\n".join(lines), flush=True)
    write(plan, name, place, arguments.docs or arguments.out)
    return int(any(missing(part, row, place) for entry in asked for row in plan.acting(entry)))


def write(plan: Plan, name: str, place: Place, folder: Path) -> None:
    """``study_<name>.md``, ``.json`` and ``images/<name>_*.png`` of every row that is there."""
    from wam_core.evaluation.study.figures import save_figures
    from wam_core.evaluation.study.tables import markdown, table

    found = [row_of(plan, entry, place) for trained in plan.entries for entry in plan.acting(trained)]
    rows = [row for row in found if row and row["success"]]
    folder.mkdir(parents=True, exist_ok=True)
    save_figures(plan, name, rows, folder / "images")
    (folder / f"study_{name}.md").write_text(markdown(plan, name, rows, "images"))
    (folder / f"study_{name}.json").write_text(json.dumps(table(rows), indent=1) + "\n")
    print(folder / f"study_{name}.md")


def _asked(plan: Plan, arguments: argparse.Namespace) -> list[Entry]:
    arms = [a for a in arguments.arms.split(",") if a] or list(plan.arms)
    for arm in arms:
        look_up(plan.arms, arm, "arms")
    arms = [plan.arms[arm].weights_of or arm for arm in arms]
    sizes = _numbers(arguments.demonstrations, plan.demonstrations, "demonstrations")
    seeds = _numbers(arguments.seeds, plan.seeds, "seeds")
    return [e for e in plan.entries if e.arm in arms and e.demonstrations in sizes and e.seed in seeds]


def _numbers(text: str, known: Sequence[int], field: str) -> list[int]:
    words = {str(n): n for n in known}
    return [look_up(words, word, field) for word in text.split(",") if word] or list(known)
