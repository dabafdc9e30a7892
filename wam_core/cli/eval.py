"""Success rates in the cell and quality of predicted futures, without ROS."""

import argparse
import json
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from wam_core.cell.cell import Cell
from wam_core.cell.tasks import TASKS
from wam_core.cell.variations import VARIATIONS
from wam_core.continuation import CONTINUATIONS
from wam_core.data.training_set import load_frames
from wam_core.dial import Dial
from wam_core.dial_limits import check_dial
from wam_core.errors import ContractError, look_up
from wam_core.evaluation.demonstrations import record_demonstration
from wam_core.evaluation.futures import score_futures
from wam_core.evaluation.intervals import wilson_interval
from wam_core.evaluation.rollout import EpisodeResult
from wam_core.evaluation.success import Trial, run_trials
from wam_core.executor.executor import Executor
from wam_core.model.runtimes.table import RUNTIMES
from wam_core.policy import checkpoint_folder, load_policy
from wam_core.preprocess.senses import needed_senses
from wam_core.robot.robot_file import load_robot
from wam_core.training.checkpoint import load_checkpoint
from wam_core.training.pictures import save_future_picture

#: Demonstrations are collected from seed 100000 on, held-out ones for futures from here on.
HELD_OUT_SEED = 900_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="fast_wam", help="preset with a checkpoint, or a checkpoint folder")
    parser.add_argument("--robot", default="panda_cell")
    parser.add_argument("--tasks", default="reach,push,drawer,pick_place")
    parser.add_argument("--episodes", type=int, default=100, help="per task")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first episode")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--blind", action="store_true", help="freeze the cameras to the first training frame")
    kind.add_argument("--shuffle-instruction", action="store_true", help="tell another instruction of the task")
    kind.add_argument("--futures", action="store_true", help="score predicted frames instead of success")
    parser.add_argument("--variation", default="none", choices=tuple(VARIATIONS), help="what no demonstration had")
    parser.add_argument("--picture", type=Path, help="with --futures: <name>_<task>.png, recorded above imagined")
    parser.add_argument("--delay-ms", type=int, default=100, help="inference delay that episodes imitate")
    parser.add_argument("--seam", default="none", choices=CONTINUATIONS, help="how chunks go on from each other")
    parser.add_argument("--denoising-steps", type=int, default=0, help="0: as the preset says")
    parser.add_argument("--imagined-horizon", type=int, default=0, help="chunk steps that futures reach, 0: all")
    once = "denoising steps that what is denoised beside the chunk is computed once for"
    parser.add_argument("--cache-reuse", type=int, default=1, help=once)
    parser.add_argument("--runtime", default="eager", choices=tuple(RUNTIMES), help="how the model is computed")
    parser.add_argument("--renderer", default="auto")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Print a table, or with ``--json`` one object."""
    tasks = tuple(arguments.tasks.split(","))
    for task in tasks:
        look_up(TASKS, task, "tasks")
    if arguments.futures and arguments.variation != "none":
        raise ContractError("variation", arguments.variation, "none with --futures: recordings are never varied")
    dial = Dial(arguments.denoising_steps, arguments.imagined_horizon, arguments.cache_reuse)
    if arguments.futures and dial != Dial():
        raise ContractError("dial", str(dial), f"{Dial()} with --futures: whole futures are scored")
    report = _futures(arguments, tasks) if arguments.futures else _success(arguments, tasks, dial)
    print(json.dumps(report, indent=1) if arguments.json else _table(report))
    return 0


def _success(arguments: argparse.Namespace, tasks: tuple[str, ...], dial: Dial) -> dict[str, object]:
    check_dial(dial, load_checkpoint(checkpoint_folder(arguments.model)).preset)
    control = "blind" if arguments.blind else "shuffle_instruction" if arguments.shuffle_instruction else "none"
    trials = [
        Trial(
            arguments.model,
            arguments.robot,
            task,
            arguments.seed + i,
            control,
            arguments.renderer,
            arguments.delay_ms,
            arguments.seam,
            dial,
            arguments.runtime,
            arguments.variation,
        )
        for task in tasks
        for i in range(arguments.episodes)
    ]
    succeeded: Counter[str] = Counter()
    with tqdm(total=len(trials), unit="episode") as bar:

        def report(result: EpisodeResult) -> None:
            succeeded[result.task] += result.success
            bar.update()
            bar.set_postfix(dict(succeeded), refresh=False)

        results = run_trials(trials, arguments.jobs, report)
    rows = {task: _summary([r for r in results if r.task == task]) for task in tasks}
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(arguments).items()}
    mean = float(np.mean([r["success"] for r in rows.values()]))
    return {"control": control, "mean_success": mean, "tasks": rows, "settings": settings}


def _summary(results: list[EpisodeResult]) -> dict[str, object]:
    good = sum(r.success for r in results)
    safety: Counter[str] = Counter()
    for result in results:
        safety.update(result.safety)
    times = [r.duration_s for r in results if r.success]
    return {
        "success": good / len(results),
        "interval_95": wilson_interval(good, len(results)),
        "episodes": len(results),
        "seconds_to_success": float(np.median(times)) if times else None,
        "rejected_chunks": sum(sum(r.rejected.values()) for r in results),
        "safety_ticks": dict(safety),
        "failed_seeds": [r.seed for r in results if not r.success],
    }


def _futures(arguments: argparse.Namespace, tasks: tuple[str, ...]) -> dict[str, object]:
    robot = load_robot(arguments.robot)
    checkpoint = load_policy(arguments.model, robot).checkpoint
    cell, executor = Cell(robot, arguments.renderer), Executor(robot)
    preset = checkpoint.preset
    senses = [sense.name for sense in needed_senses(robot, preset.channels, preset.layout)]
    rows = {}
    for task in tasks:
        with tempfile.TemporaryDirectory() as folder:
            for i in tqdm(range(arguments.episodes), desc=task, unit="episode"):
                seed = HELD_OUT_SEED + arguments.seed + i
                path = Path(folder) / f"{seed}.mcap"
                record_demonstration(cell, executor, task, seed, path, preset.layout.cameras, senses)
            frames = load_frames(Path(folder), preset.layout, Path(folder) / "cache", channels=preset.channels)
        if arguments.picture:
            file = arguments.picture.with_name(f"{arguments.picture.stem}_{task}.png")
            save_future_picture(checkpoint, frames, file)
        rows[task] = asdict(score_futures(checkpoint, frames, stride=8, seed=arguments.seed))
    gain = float(np.mean([r["psnr_gain"] for r in rows.values()]))
    return {"mean_psnr_gain_db": gain, "tasks": rows}


def _table(report: dict[str, object]) -> str:
    lines = []
    for task, row in report["tasks"].items():  # type: ignore[attr-defined]
        if "success" in row:
            low, high = row["interval_95"]
            lines.append(f"{task:<12} {row['success']:6.1%}  [{low:.1%}, {high:.1%}]  of {row['episodes']}")
        else:
            psnr, copy = np.mean(row["psnr"]), np.mean(row["psnr_copy"])
            ssim, ssim_copy = np.mean(row["ssim"]), np.mean(row["ssim_copy"])
            lines.append(
                f"{task:<12} PSNR {psnr:.2f} dB (copy {copy:.2f})  SSIM {ssim:.4f} (copy {ssim_copy:.4f})  "
                f"of {row['windows']} windows"
            )
    return "\n".join(lines)
