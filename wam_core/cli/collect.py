"""``wam collect``: demonstrations by the scripted experts, one MCAP file per episode."""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from tqdm import tqdm

from wam_core.cell.cell import Cell
from wam_core.cell.rendering import RENDERERS, choose_renderer
from wam_core.cell.tasks import TASKS
from wam_core.errors import look_up
from wam_core.evaluation.demonstrations import episode_rng, record_demonstration
from wam_core.executor.executor import Executor
from wam_core.robot.robot_file import load_robot

#: Log of all attempts in the output folder, one JSON object per line.
ATTEMPTS_FILE = "attempts.jsonl"
#: Demonstrations have seeds of their own: episodes of evaluation and demo count from 0.
FIRST_SEED = 100_000
#: A task whose expert fails this often in a row has something wrong with it.
HOPELESS = 50


@dataclass(frozen=True)
class Job:
    """One attempt; ``renderers`` are those to draw from."""

    robot: str
    task: str
    seed: int
    folder: str
    renderers: tuple[str, ...]
    cameras: tuple[str, ...]
    senses: tuple[str, ...]
    keep_failures: bool


@dataclass(frozen=True)
class Attempt:
    """What came of a job; ``wall_s`` is what it cost, the rest is simulated."""

    task: str
    seed: int
    success: bool
    steps: int
    renderer: str
    wall_s: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", required=True, help=f"{', '.join(TASKS)}, several with commas, or all")
    parser.add_argument("--episodes", type=_positive, default=100, help="successful demonstrations wanted of each task")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="seed of the first attempt; the next ones follow")
    parser.add_argument("--out", type=Path, required=True, help="folder; finished episodes in it are kept")
    parser.add_argument("--renderer", default="any", help=f"{', '.join(RENDERERS)}; any draws from GL and raycast")
    parser.add_argument("--cameras", default="", help="recorded cameras with commas; default: all of the robot")
    everything = "also record depth, object mask and pose, sound and touch images: files are several times larger"
    parser.add_argument("--senses", action="store_true", help=everything)
    parser.add_argument("--jobs", type=_positive, default=1, help="processes")
    parser.add_argument("--keep-failures", action="store_true", help="also keep failures, labelled as such")
    parser.add_argument("--robot", default="panda_cell", help="robot file")


def run(arguments: argparse.Namespace) -> int:
    """Collect until every task has its number of successful demonstrations; 0 when each has."""
    robot = load_robot(arguments.robot)
    tasks = tuple(TASKS) if arguments.task == "all" else tuple(arguments.task.split(","))
    for task in tasks:
        look_up(TASKS, task, "task")
    cameras = tuple(name for name in arguments.cameras.split(",") if name) or tuple(c.name for c in robot.cameras)
    for camera in cameras:
        robot.camera(camera)
    senses = tuple(s.name for s in robot.senses if s.camera in ("", *cameras)) if arguments.senses else ()
    named = ("auto", "raycast") if arguments.renderer == "any" else (arguments.renderer,)
    renderers = tuple(dict.fromkeys(choose_renderer(name) for name in named))
    folder: Path = arguments.out
    keep: bool = arguments.keep_failures
    folder.mkdir(parents=True, exist_ok=True)
    print(f"Rendering with {' and '.join(renderers)}; recording {', '.join(cameras)} into {folder}.", flush=True)
    with multiprocessing.get_context("spawn").Pool(arguments.jobs) as pool:
        done = [
            collect_task(
                Job(arguments.robot, task, arguments.seed, str(folder), renderers, cameras, senses, keep),
                arguments.episodes,
                pool.imap,
            )
            for task in tasks
        ]
    return 0 if all(done) else 1


def collect_task(
    first: Job, wanted: int, run: Callable[[Callable[[Job], Attempt], Iterable[Job]], Iterable[Attempt]]
) -> bool:
    """Attempt seeds from ``first.seed`` on until ``wanted`` succeeded; whether they did.

    Which seeds end up in the folder does not depend on the number of processes or on interruptions.

    Args:
        run: a map that keeps the order, over processes or not; seeds that earlier runs attempted are left out.
    """
    log = Path(first.folder) / ATTEMPTS_FILE
    known = _earlier_attempts(log, first)
    seed, good, failures, failed_in_a_row = first.seed, 0, 0, 0
    with tqdm(total=wanted, desc=first.task, unit="episode") as bar:
        while good < wanted and failed_in_a_row < HOPELESS:
            seeds = range(seed, seed + wanted - good)
            seed = seeds.stop
            earlier = [known[s] for s in seeds if s in known]
            fresh = run(attempt, [replace(first, seed=s) for s in seeds if s not in known])
            for result in (*earlier, *_logged(fresh, log)):
                good += result.success
                failed_in_a_row = 0 if result.success else failed_in_a_row + 1
                bar.update(result.success)
                failures += not result.success
                bar.set_postfix(failed=failures, refresh=False)
    if good < wanted:
        print(f"{first.task}: {failed_in_a_row} attempts failed in a row; {good} of {wanted} demonstrations were made.")
    return good == wanted


def attempt(job: Job) -> Attempt:
    """Run one attempt in this process and leave its file if it is to be kept."""
    began = time.perf_counter()
    rng = episode_rng(job.task, job.seed, "renderer")
    cell = _cell(job.robot, str(rng.choice(job.renderers)))
    path = episode_path(Path(job.folder), job.task, job.seed)
    result = record_demonstration(cell, _executor(job.robot), job.task, job.seed, path, job.cameras, job.senses)
    if not result.success and not job.keep_failures:
        path.unlink()
    return Attempt(job.task, job.seed, result.success, result.steps, cell.renderer, time.perf_counter() - began)


def episode_path(folder: Path, task: str, seed: int) -> Path:
    return folder / f"{task}_{seed:06d}.mcap"


def _earlier_attempts(log: Path, job: Job) -> dict[int, Attempt]:
    """Attempts of this task by earlier runs whose file, if there should be one, is still there."""
    found = {}
    for line in log.read_text().splitlines() if log.exists() else []:
        try:
            old = Attempt(**json.loads(line))
        except json.JSONDecodeError:  # cut off by a kill, perhaps with the next run's line behind it
            continue
        there = episode_path(log.parent, old.task, old.seed).exists()
        if old.task == job.task and (there or not (old.success or job.keep_failures)):
            found[old.seed] = old
    return found


def _logged(results: Iterable[Attempt], log: Path) -> Iterable[Attempt]:
    for result in results:
        with log.open("a") as out:
            out.write(json.dumps(asdict(result)) + "\n")
        yield result


@cache
def _cell(robot: str, renderer: str) -> Cell:
    return Cell(load_robot(robot), renderer)


@cache
def _executor(robot: str) -> Executor:
    return Executor(load_robot(robot))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
