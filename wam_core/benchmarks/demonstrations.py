"""Demonstrations of a benchmark's own experts: a file for each, and all of them as training frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wam_core.benchmarks.episodes import Trial, run_expert
from wam_core.benchmarks.simulator import Simulator
from wam_core.data.frames import TrainingFrames
from wam_core.errors import ContractError
from wam_core.evaluation.demonstrations import CLEAN_SHARE, episode_rng
from wam_core.preprocess.images import ImageLayout, lay_out
from wam_core.robot.embodiment import Embodiment

#: Seed of the first demonstration: far from those that episodes are measured on.
FIRST_SEED = 100_000
#: Steps that go on after success: windows that begin before it are whole, so that no action of theirs is a repetition.
HOLD_STEPS = 16


@dataclass(frozen=True)
class Wanted:
    """Which demonstrations.

    Attributes:
        count: of each task, all of them successful.
        limit: steps at most.
        noise: standard deviation of what is added to the columns of an expert's action, in two thirds of the episodes.
    """

    tasks: tuple[str, ...]
    count: int
    limit: int
    noise: tuple[float, ...]


def make_demonstrations(simulator: Simulator, wanted: Wanted, folder: Path, report: Callable[[str], None]) -> None:
    """Write ``folder/<task>/<seed>.npz`` until there are enough; what is there is not made again.

    Raises:
        ContractError: a task of which its expert does less than half.
    """
    cameras = [camera.name for camera in simulator.body.cameras]
    for task in wanted.tasks:
        (folder / task).mkdir(parents=True, exist_ok=True)
        made, tried = 0, 0
        while made < wanted.count:
            if tried > 2 * wanted.count:
                raise ContractError(f"demonstrations.{task}", f"{made} of {tried}", "an expert that does at least half")
            seed = FIRST_SEED + tried
            file, tried = folder / task / f"{seed}.npz", tried + 1
            if file.is_file() or _demonstrate(simulator, Trial(task, seed, wanted.limit), wanted.noise, cameras, file):
                made += 1
        report(f"{task}: {made} demonstrations, {tried} tried")


def _demonstrate(
    simulator: Simulator, trial: Trial, noise: Sequence[float], cameras: Sequence[str], file: Path
) -> bool:
    """Write one if it succeeds; the file is there only when it is complete."""
    rng = episode_rng(trial.task, trial.seed, "noise")
    noisy = rng.random() >= CLEAN_SHARE
    episode, rows = run_expert(
        simulator, trial, cameras, (lambda: rng.normal(0.0, noise)) if noisy else None, HOLD_STEPS
    )
    if not episode.success:
        return False
    content: dict[str, Any] = {f"image.{name}": np.stack([seen.images[name] for seen in rows.seen]) for name in cameras}
    content |= {"state": np.stack([seen.state for seen in rows.seen]), "actions": np.stack(rows.actions)}
    unfinished = file.with_suffix(".part")
    with unfinished.open("wb") as out:
        np.savez_compressed(out, instruction=np.array(rows.instruction), **content)
    unfinished.replace(file)
    return True


def load_demonstrations(folder: Path, wanted: Wanted, layout: ImageLayout, body: Embodiment) -> TrainingFrames:
    """The first ``wanted.count`` demonstrations of each task, one after the other.

    Raises:
        ContractError: fewer than that, or a camera that the layout names and the embodiment does not have.
    """
    images, states, actions, instructions, files = [], [], [], [], []
    for task in wanted.tasks:
        found = sorted((folder / task).glob("*.npz"))[: wanted.count]
        if len(found) < wanted.count:
            raise ContractError(f"demonstrations.{task}", len(found), f"{wanted.count} files in {folder / task}")
        for file in found:
            with np.load(file) as stored:
                views = {name: stored[f"image.{name}"] for name in layout.cameras}
                rows = range(len(stored["actions"]))
                images.append(np.stack([lay_out(body, {n: v[k] for n, v in views.items()}, layout) for k in rows]))
                states.append(stored["state"])
                actions.append(stored["actions"])
                instructions.append(str(stored["instruction"]))
                files.append(f"{task}/{file.name}")
    ends = np.cumsum([len(part) for part in actions])
    return TrainingFrames(
        images=np.concatenate(images),
        proprioception=np.concatenate(states),
        actions=np.concatenate(actions),
        bounds=np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1),
        instructions=tuple(instructions),
        files=tuple(files),
        robot=body,
        layout=layout,
    )
