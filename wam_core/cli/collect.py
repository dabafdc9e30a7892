"""``wam collect``: demonstrations by the scripted experts, one MCAP file per episode."""

import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from tqdm import tqdm

from wam_core.cell.cell import Cell
from wam_core.cell.rendering import choose_renderer
from wam_core.cell.tasks import TASKS
from wam_core.cli.arguments import integer, names, parse_arguments, truth
from wam_core.errors import look_up
from wam_core.evaluation.demonstrations import episode_rng, record_demonstration
from wam_core.executor.executor import Executor
from wam_core.robot.contract import load_robot

USAGE = """wam collect task:=push episodes:=100 seed:=0 out:=data/push
  task           reach, push, drawer, pick_place, several with commas, or all
  episodes       successful demonstrations wanted of each task
  seed           seed of the first attempt; the next ones follow
  out            folder of the files <task>_<seed>.mcap; finished ones are kept when run again
  renderer       any (drawn per episode from OpenGL and ray casting), egl, osmesa or raycast
  cameras        recorded cameras, by default all of the robot
  jobs           processes
  keep_failures  true also keeps unsuccessful attempts, labelled as such
  robot          robot file"""

DEFAULTS: dict[str, str | None] = {
    "task": None,
    "episodes": "100",
    "seed": "0",
    "out": None,
    "renderer": "any",
    "cameras": "",
    "jobs": "1",
    "keep_failures": "false",
    "robot": "panda_cell",
}

#: Log of all attempts in the output folder, one JSON object per line.
ATTEMPTS_FILE = "attempts.jsonl"
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


def main(words: Sequence[str]) -> int:
    """Collect until every task has its number of successful demonstrations; 0 when each has."""
    values = parse_arguments(words, DEFAULTS)
    robot = load_robot(values["robot"])
    tasks = tuple(TASKS) if values["task"] == "all" else names(values, "task")
    for task in tasks:
        look_up(TASKS, task, "task")
    cameras = names(values, "cameras") or tuple(c.name for c in robot.cameras)
    for camera in cameras:
        robot.camera(camera)
    named = ("auto", "raycast") if values["renderer"] == "any" else (values["renderer"],)
    renderers = tuple(dict.fromkeys(choose_renderer(name) for name in named))
    folder, keep = Path(values["out"]), truth(values, "keep_failures")
    wanted, first = integer(values, "episodes", 1), integer(values, "seed", 0)
    folder.mkdir(parents=True, exist_ok=True)
    print(f"Rendering with {' and '.join(renderers)}; recording {', '.join(cameras)} into {folder}.", flush=True)
    with multiprocessing.get_context("spawn").Pool(integer(values, "jobs", 1)) as pool:
        done = [
            _collect(Job(values["robot"], task, first, str(folder), renderers, cameras, keep), wanted, pool.imap)
            for task in tasks
        ]
    return 0 if all(done) else 1


def _collect(
    first: Job, wanted: int, run: Callable[[Callable[[Job], Attempt], Iterable[Job]], Iterable[Attempt]]
) -> bool:
    """Attempt seeds from ``first.seed`` on until ``wanted`` succeeded, whatever earlier runs already attempted."""
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
    result = record_demonstration(cell, _executor(job.robot), job.task, job.seed, path, job.cameras)
    if not result.success and not job.keep_failures:
        path.unlink()
    return Attempt(job.task, job.seed, result.success, result.steps, cell.renderer, time.perf_counter() - began)


def episode_path(folder: Path, task: str, seed: int) -> Path:
    return folder / f"{task}_{seed:06d}.mcap"


def _earlier_attempts(log: Path, job: Job) -> dict[int, Attempt]:
    """Attempts of this task by earlier runs whose file, if there should be one, is still there."""
    found = {}
    for line in log.read_text().splitlines() if log.exists() else []:
        if not line.endswith("}"):  # cut off by a kill
            continue
        old = Attempt(**json.loads(line))
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
