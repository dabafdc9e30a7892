"""One training of a study, and the episodes of every arm that acts with its weights."""

import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from wam_core.cell.cell import Cell
from wam_core.data.frames import TrainingFrames
from wam_core.data.training_set import load_frames
from wam_core.dial import Dial
from wam_core.errors import ContractError
from wam_core.evaluation.futures import score_futures
from wam_core.evaluation.report.budget import Budget, contents
from wam_core.evaluation.report.cost import Timed, cost_of
from wam_core.evaluation.report.fit import fit
from wam_core.evaluation.report.study import RECORD, WORDS
from wam_core.evaluation.rollout import run_episode
from wam_core.evaluation.rows import as_stored, machine, read_row, write_row
from wam_core.evaluation.study.futures import FUTURES
from wam_core.evaluation.study.plan import Arm, Entry, Plan
from wam_core.evaluation.success import Trial, run_trial
from wam_core.executor.executor import Executor
from wam_core.policy import Policy, checkpoint_folder
from wam_core.presets import Preset, load_preset
from wam_core.robot.contract import contract_of
from wam_core.training.batches import Batches
from wam_core.training.checkpoint import load_checkpoint, save_checkpoint

#: Points of a learning curve.
POINTS = 10
#: Steps of a held-out recording between two futures that are compared with it.
FUTURE_STRIDE = 8


@dataclass(frozen=True)
class Place:
    """Where a study reads and writes; on several machines a folder that all of them see.

    Attributes:
        data: folder of recordings that `wam collect` made. out: folder of rows and weights.
    """

    data: Path
    out: Path
    renderer: str

    def row_file(self, entry: Entry) -> Path:
        return self.out / "rows" / f"{entry.name}.json"

    def weights(self, entry: Entry) -> Path:
        return self.out / "weights" / entry.name


def learned(plan: Plan, entry: Entry, data: Path) -> dict[str, Any]:
    """What determines the weights of an entry."""
    arm = plan.arms[entry.arm]
    preset = {k: v for k, v in taught(arm).to_dict().items() if k not in WORDS}
    settings = {n: getattr(plan, n) for n in ("tasks", "held_out", "updates", "batch", "video_vae")}
    said = {"preset": preset, "future": arm.future, "entry": asdict(entry), "data": contents(data)}
    return as_stored({**said, **settings})


def taught(arm: Arm) -> Preset:
    """The arm's preset with every group trained on whole batches: some presets show a costly future to a part of each
    batch only, which would be fewer pictures for them than for the others."""
    preset = load_preset(arm.preset)
    return replace(preset, groups=tuple(replace(group, share=1.0) for group in preset.groups))


def question(plan: Plan, entry: Entry, data: Path) -> dict[str, Any]:
    """What a row answers; a row of another question does not count."""
    arm = plan.arms[entry.arm]
    teacher = replace(entry, arm=arm.weights_of or entry.arm)
    settings = {n: getattr(plan, n) for n in ("episodes", "delay_ms")}
    first = plan.seeds.index(entry.seed) * plan.episodes
    said = {"learned": learned(plan, teacher, data), "control": arm.control, "first_episode": first}
    return as_stored({**said, **settings})


def row_of(plan: Plan, entry: Entry, place: Place) -> dict[str, Any] | None:
    """What is there for this question: not all conditions need be, and it may say why the next one failed."""
    return read_row(place.row_file(entry), question(plan, entry, place.data))


def missing(plan: Plan, entry: Entry, place: Place) -> list[str]:
    """Conditions of the plan in which the entry's arm has not acted yet."""
    row = row_of(plan, entry, place)
    return [c for c in plan.conditions if row is None or c not in row["success"]]


def run_entry(plan: Plan, trained: Entry, place: Place) -> list[str]:
    """Train, unless the weights are there, and add to the row of every arm that acts with them the conditions of the
    plan that it lacks; a line of each row.

    What goes wrong stands in the rows.
    """
    torch.set_num_threads(1)
    lines = []
    for entry in plan.acting(trained):
        fresh = {**asdict(entry), "question": question(plan, entry, place.data), "machine": machine(), "success": {}}
        row = row_of(plan, entry, place) or fresh
        row.pop("failed", None)
        try:
            if "training" not in row:
                row |= _trained(plan, trained, place) | _costs(plan, entry, place)
            for condition in missing(plan, entry, place):
                row["success"][condition] = {t: _episodes(plan, entry, place, t, condition) for t in plan.tasks}
                write_row(place.row_file(entry), row)
        except Exception as error:  # the other entries have their turn, and this one's row says so
            row["failed"] = str(error) if isinstance(error, ContractError) else traceback.format_exc(limit=-3)
            write_row(place.row_file(entry), row)
        good = {c: sum(map(sum, tasks.values())) for c, tasks in row["success"].items()}
        lines.append(f"{entry.name}: {row.get('failed', good)}")
    return lines


def _trained(plan: Plan, entry: Entry, place: Place) -> dict[str, Any]:
    """The record of the training, made now or before."""
    folder, wanted = place.weights(entry), learned(plan, entry, place.data)
    record = folder / RECORD
    if found := read_row(record, wanted):
        return {"training": found["training"]}
    arm = plan.arms[entry.arm]
    preset = taught(arm)
    frames = load_frames(place.data, preset.layout, place.data / ".cache", channels=preset.channels)
    parts = chosen(plan, entry.demonstrations, frames)

    def altered(batches: Batches, seen: TrainingFrames) -> Batches:
        rng = torch.Generator().manual_seed(entry.seed)
        return FUTURES[arm.future](batches, torch.from_numpy(seen.stretch), rng)

    vae = checkpoint_folder(plan.video_vae) / "video.safetensors"
    checkpoint, fitted = fit(preset, frames, parts, _budget(plan, entry), vae, altered, POINTS)
    save_checkpoint(folder, checkpoint)
    row = as_stored({"question": wanted, "training": asdict(fitted)})
    write_row(record, row)
    return {"training": row["training"]}


def _episodes(plan: Plan, entry: Entry, place: Place, task: str, condition: str) -> list[int]:
    """Whether each succeeded, 1 or 0."""
    folder, first = _weights(plan, entry, place), plan.seeds.index(entry.seed) * plan.episodes
    robot = load_checkpoint(folder).robot.name
    ways = (plan.arms[entry.arm].control, place.renderer, plan.delay_ms, "none", Dial(), "eager", condition)
    trials = [Trial(str(folder), robot, task, first + i, *ways) for i in range(plan.episodes)]
    return [int(run_trial(trial).success) for trial in trials]


def _costs(plan: Plan, entry: Entry, place: Place) -> dict[str, Any]:
    """Of a chunk, and how well held-out pictures are predicted; of an arm that acts with another's weights nothing."""
    if plan.arms[entry.arm].weights_of:
        return {}
    checkpoint = load_checkpoint(_weights(plan, entry, place))
    preset = checkpoint.preset
    frames = load_frames(place.data, preset.layout, place.data / ".cache", channels=preset.channels)
    unseen = chosen(plan, entry.demonstrations, frames)[1]
    shown = [g for g in preset.futures() if preset.substrates[g.substrate].shows == "video"]
    # A group whose loss has no weight was never taught to be a picture.
    pictures = any(g.loss_weight for g in shown)
    scores = score_futures(checkpoint, unseen, FUTURE_STRIDE, entry.seed) if pictures else None
    timed, cell = Timed(Policy(checkpoint, entry.seed)), Cell(contract_of(checkpoint.robot), place.renderer)
    run_episode(cell, Executor(cell.robot), timed, plan.tasks[0], 0, delay_ns=plan.delay_ms * 1_000_000)
    cost = cost_of(Policy(checkpoint, entry.seed), [timed])
    return {"futures": asdict(scores) if scores else None, "cost": asdict(cost)}


def _weights(plan: Plan, entry: Entry, place: Place) -> Path:
    return place.weights(replace(entry, arm=plan.arms[entry.arm].weights_of or entry.arm))


def chosen(plan: Plan, demonstrations: int, frames: TrainingFrames) -> tuple[TrainingFrames, TrainingFrames]:
    """What an entry is trained on, and what all of them are held against: of each task the first recordings are held
    out, and the next are trained on.

    Raises:
        ContractError: too few recordings of a task, which are known by their names, ``<task>_<seed>.mcap``.
    """
    seen, unseen = [], []
    for task in plan.tasks:
        of_task = [f for f in sorted(set(frames.files)) if Path(f).stem.rpartition("_")[0] == task]
        wanted = plan.held_out + demonstrations
        if len(of_task) < wanted:
            raise ContractError("data", f"{len(of_task)} recordings of {task}", f"{wanted} of them, see wam collect")
        unseen += of_task[: plan.held_out]
        seen += of_task[plan.held_out : wanted]
    return _of(frames, seen), _of(frames, unseen)


def _of(frames: TrainingFrames, files: Sequence[str]) -> TrainingFrames:
    return frames.select([i for i, file in enumerate(frames.files) if file in files])


def _budget(plan: Plan, entry: Entry) -> Budget:
    return Budget(plan.updates, plan.batch, 0, entry.seed)

