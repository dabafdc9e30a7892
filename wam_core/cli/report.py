"""Accuracy at budget: every preset trained under one stated budget, evaluated, and told as Markdown, JSON and plots.

What is in --out already for the same budget, preset and recordings is not done again: a row that lacks parts gets
those, and where only what is measured has changed, the checkpoint that is there is measured. A preset that fails says
so in its row, and the others have their turn. A preset given as a parameter file stands for the shipped one of its
name, and the report says where it departs from that.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from wam_core.cell.tasks import TASKS
from wam_core.errors import look_up
from wam_core.evaluation.report.budget import Budget, Exam
from wam_core.evaluation.report.departures import departures
from wam_core.evaluation.report.study import Study, run_study
from wam_core.evaluation.report.tables import CLONING, markdown
from wam_core.preset import Preset
from wam_core.presets import load_preset, preset_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--out", type=Path, required=True, help="folder of rows, checkpoints and shared video VAEs")
    parser.add_argument("--docs", type=Path, help="folder of report.md, report.json and images; default: --out")
    parser.add_argument(
        "--presets", default=",".join(preset_names()), help="names or parameter files, in turn; all by default"
    )
    parser.add_argument("--only-write", action="store_true", help="train nothing, write what is there")
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--vae-updates", type=int, default=1000)
    parser.add_argument("--tasks", default="reach,push,drawer")
    parser.add_argument("--episodes", type=int, default=20, help="per task")
    parser.add_argument("--varied-episodes", type=int, help="per task and variation; as --episodes by default")
    parser.add_argument("--blind", default=CLONING, help="presets whose episodes are repeated with cameras frozen")
    parser.add_argument("--delay-ms", type=int, default=100, help="inference delay that episodes imitate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of training")
    parser.add_argument("--renderer", default="auto")


def run(arguments: argparse.Namespace) -> int:
    """Do what is not there yet, then write the report of all presets; 0 when each of those asked for has its row."""
    torch.set_num_threads(arguments.threads)
    tasks = tuple(arguments.tasks.split(","))
    for task in tasks:
        look_up(TASKS, task, "tasks")
    budget = Budget(arguments.updates, arguments.batch, arguments.vae_updates, arguments.seed)
    varied = arguments.varied_episodes or arguments.episodes
    exam = Exam(tasks, arguments.episodes, varied, arguments.delay_ms, arguments.seed)
    study = Study(budget, exam, arguments.data, arguments.out, arguments.renderer, tuple(arguments.blind.split(",")))
    asked = [load_preset(name) for name in arguments.presets.split(",")]
    if not arguments.only_write:
        run_study(study, asked, lambda line: print(line, flush=True))
    write(study, asked, arguments.docs or arguments.out)
    rows = [study.row(preset) for preset in asked]
    return int(any(row is None or "failed" in row for row in rows))


def write(study: Study, asked: Sequence[Preset], folder: Path) -> None:
    """``report.md``, ``report.json`` and ``images/report_*.png`` of every row that is there for a preset that was
    ``asked`` for, or is shipped."""
    from wam_core.evaluation.report.plots import save_plots

    shipped = {name: load_preset(name) for name in preset_names()}
    presets = shipped | {preset.name: preset for preset in asked}
    found = {name: study.row(preset) for name, preset in presets.items()}
    rows = [
        row | {"departures": departures(presets[name], shipped.get(name, presets[name]))}
        for name, row in found.items()
        if row and "failed" not in row
    ]
    missing = {
        name: "not trained at this budget" if row is None else row["failed"].strip().splitlines()[-1]
        for name, row in found.items()
        if row is None or "failed" in row
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(
        markdown(rows, missing, {name: preset.system for name, preset in presets.items()})
    )
    (folder / "report.json").write_text(json.dumps({"rows": rows, "missing": missing}, indent=1) + "\n")
    for file in (folder / "report.md", folder / "report.json", *save_plots(rows, folder / "images")):
        print(file)
