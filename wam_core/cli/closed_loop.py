"""Closed-loop success in a benchmark: wam benchmark metaworld model:=fast_wam,behaviour_cloning out:=runs/metaworld

Demonstrations are made by the benchmark's own experts, each preset is trained on them at one budget, and each is
measured with its cameras frozen, too. What is in --out already for the same question is not done again.
"""

import argparse
import json
from pathlib import Path

import torch

from wam_core.benchmarks.demonstrations import Wanted
from wam_core.benchmarks.study import EXPERT, Study, run_study
from wam_core.benchmarks.table import BENCHMARKS, start
from wam_core.benchmarks.tables import markdown
from wam_core.errors import look_up
from wam_core.evaluation.report.budget import Budget
from wam_core.model.runtimes.table import RUNTIMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("benchmark", help=f"one of {', '.join(BENCHMARKS)}")
    parser.add_argument("--python", type=Path, help="the Python that has its simulator; default: .venvs/<benchmark>")
    parser.add_argument("--model", default="fast_wam,behaviour_cloning", help="presets, or folders of what was trained")
    parser.add_argument("--tasks", default="", help="the benchmark's usual ones where none are named")
    parser.add_argument("--demonstrations", type=int, default=20, help="of each task")
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--vae-updates", type=int, default=1000)
    parser.add_argument("--episodes", type=int, default=20, help="of each task")
    parser.add_argument("--limit", type=int, default=0, help="steps of an episode at most; default: the benchmark's")
    parser.add_argument("--replan", type=int, default=0, help="steps carried out of a preset's chunk; default: its own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="of published weights")
    parser.add_argument("--runtime", default="eager", choices=tuple(RUNTIMES), help="how models are computed")
    parser.add_argument("--out", type=Path, required=True, help="folder of demonstrations, rows and checkpoints")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Do what is not there yet; then write ``benchmark.md`` and ``benchmark.json`` beside it."""
    torch.set_num_threads(arguments.threads)
    benchmark = look_up(BENCHMARKS, arguments.benchmark, "benchmark")
    tasks = tuple(arguments.tasks.split(",")) if arguments.tasks else benchmark.tasks
    limit = arguments.limit or benchmark.limit
    study = Study(
        budget=Budget(arguments.updates, arguments.batch, arguments.vae_updates, arguments.seed),
        wanted=Wanted(tasks, arguments.demonstrations, limit, benchmark.noise),
        episodes=arguments.episodes,
        limit=limit,
        replan_steps=arguments.replan,
        out=arguments.out,
        device=arguments.device,
        runtime=arguments.runtime,
    )
    models = [*([EXPERT] if benchmark.noise else []), *arguments.model.split(",")]
    with start(arguments.benchmark, arguments.python) as simulator:
        for task in tasks:
            look_up(dict.fromkeys(simulator.tasks), task, "tasks")
        quiet = arguments.json
        rows = run_study(study, simulator, models, lambda line: None if quiet else print(line, flush=True))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "benchmark.md").write_text(markdown(rows))
    (arguments.out / "benchmark.json").write_text(json.dumps(rows, indent=1) + "\n")
    print(json.dumps(rows, indent=1) if arguments.json else markdown(rows))
    return 0
