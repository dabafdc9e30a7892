"""Models in a benchmark, one after the other; what is there already for the same question is not done again."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wam_core.benchmarks.contestants import Contestant, made_for, of_checkpoint, of_published
from wam_core.benchmarks.demonstrations import Wanted, load_demonstrations, make_demonstrations
from wam_core.benchmarks.episodes import Episode, Trial, run_expert, run_policy
from wam_core.benchmarks.simulator import Simulator
from wam_core.errors import ContractError
from wam_core.evaluation.intervals import wilson_interval
from wam_core.evaluation.report.budget import Budget
from wam_core.evaluation.report.fit import fit, split
from wam_core.evaluation.report.learned import Report, learned_file
from wam_core.evaluation.rows import as_stored, machine, read_row, write_row
from wam_core.presets import load_preset, preset_names
from wam_core.pretrained.folder import FILES as PUBLISHED
from wam_core.robot.embodiment import Embodiment
from wam_core.training.checkpoint import load_checkpoint, save_checkpoint

#: The row of the benchmark's own expert.
EXPERT = "expert"


@dataclass(frozen=True)
class Study:
    """What is asked of every model, and where.

    Attributes:
        wanted: the demonstrations; their tasks are those that are measured.
        episodes: of each task, the first of them under the budget's seed. limit: steps of each at most.
        replan_steps: steps that are carried out of each chunk of a preset; 0: its own number.
        out: folder of demonstrations, rows and checkpoints. device: of published weights.
        runtime: a key of :data:`RUNTIMES`.
    """

    budget: Budget
    wanted: Wanted
    episodes: int
    limit: int
    replan_steps: int
    out: Path
    device: str
    runtime: str

    def question(self, simulator: Simulator, model: str) -> dict[str, Any]:
        """What a row answers; a row of another question does not count."""
        said: dict[str, Any] = {"benchmark": simulator.body.to_dict(), "model": model, "limit": self.limit}
        said["runtime"] = self.runtime
        said |= {"episodes": self.episodes, "seed": self.budget.seed, "tasks": self.wanted.tasks}
        if trained_here(model):
            preset = made_for(load_preset(model), simulator.body, self.replan_steps)
            said |= {"preset": preset.to_dict(), "budget": asdict(self.budget), "wanted": asdict(self.wanted)}
        elif (weights := Path(model) / "model.safetensors").is_file():
            said["weights"] = [weights.stat().st_size, weights.stat().st_mtime_ns]
        return as_stored(said)

    def demonstrations(self, body: Embodiment) -> Path:
        """Their folder; others that were made otherwise are in another."""
        made = json.dumps([self.wanted.limit, self.wanted.noise, body.to_dict()])
        return self.out / f"demonstrations_{hashlib.sha256(made.encode()).hexdigest()[:12]}"

    def row_file(self, model: str) -> Path:
        return self.out / "rows" / f"{Path(model).stem}.json"

    def row(self, simulator: Simulator, model: str) -> dict[str, Any] | None:
        """The row that is there for this question."""
        return read_row(self.row_file(model), self.question(simulator, model))


def trained_here(model: str) -> bool:
    """Whether ``model`` is a preset, by name or by its parameter file."""
    return model in preset_names() or Path(model).suffix == ".yaml"


def run_study(study: Study, simulator: Simulator, models: Sequence[str], report: Report) -> list[dict[str, Any]]:
    """A row for each of ``models`` (:data:`EXPERT`, a preset, or a folder of what was trained), in their order.

    Args:
        report: is told what happens, a line at a time.

    Raises:
        ContractError: a model that is none of these, or that does not fit the benchmark.
    """
    rows = []
    for model in models:
        row = study.row(simulator, model)
        if row is None:
            began, own = time.monotonic(), time.process_time()
            row = {"model": model, "question": study.question(simulator, model), "machine": machine()}
            row |= _measured(study, simulator, model, report)
            row |= {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - own}
            write_row(study.row_file(model), row)
        rows.append(as_stored(row))
    return rows


def _measured(study: Study, simulator: Simulator, model: str, report: Report) -> dict[str, Any]:
    if model == EXPERT:
        return {"seeing": _rates(study, lambda trial: run_expert(simulator, trial)[0], f"{model}: ", report)}
    contestant, training = _contestant(study, simulator, model, report)
    found: dict[str, Any] = {"training": training}

    def seeing(trial: Trial) -> Episode:
        policy, parted = contestant.seeing(trial.seed)
        return run_policy(simulator, policy, trial, parted)

    found["seeing"] = _rates(study, seeing, f"{model}: ", report)
    if contestant.blind:
        blind = contestant.blind
        episode = lambda trial: run_policy(simulator, blind(trial.seed), trial)  # noqa: E731
        found["blind"] = _rates(study, episode, f"{model}, blind: ", report)
    return found


def _contestant(
    study: Study, simulator: Simulator, model: str, report: Report
) -> tuple[Contestant, dict[str, Any] | None]:
    """The model, and what its training took where it was trained here."""
    folder = Path(model)
    if all((folder / name).is_file() for name in PUBLISHED):
        return of_published(folder, simulator.body, study.device, study.runtime), None
    if folder.is_dir():
        return of_checkpoint(load_checkpoint(folder), simulator.body, study.runtime), None
    if not trained_here(model):
        expected = f"{EXPERT}, a folder of a checkpoint or of published weights, or one of {', '.join(preset_names())}"
        raise ContractError("model", model, expected)
    preset = made_for(load_preset(model), simulator.body, study.replan_steps)
    demonstrations = study.demonstrations(simulator.body)
    make_demonstrations(simulator, study.wanted, demonstrations, report)
    frames = load_demonstrations(demonstrations, study.wanted, preset.layout, simulator.body)
    data = json.dumps([demonstrations.name, study.wanted.tasks, study.wanted.count])
    learned = learned_file(preset, frames, data, study.budget, study.out, report)
    report(f"{model}: {study.budget.updates} updates")
    checkpoint, fitted = fit(preset, frames, split(frames), study.budget, learned)
    kept = study.out / "checkpoints" / preset.name
    save_checkpoint(kept, checkpoint)
    # What is measured is what was kept.
    return of_checkpoint(load_checkpoint(kept), simulator.body, study.runtime), asdict(fitted)


def _rates(study: Study, run: Callable[[Trial], Episode], name: str, report: Report) -> dict[str, Any]:
    """Task -> episodes that succeeded, of how many, Wilson's interval, and the mean steps of those that did."""
    rates = {}
    for task in study.wanted.tasks:
        episodes = [run(Trial(task, study.budget.seed + k, study.limit)) for k in range(study.episodes)]
        rates[task] = rate(episodes)
        report(f"{name}{task} {rates[task]['succeeded']}/{len(episodes)}")
    return rates


def rate(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Of episodes of one task."""
    done = [episode.steps for episode in episodes if episode.success]
    low, high = wilson_interval(len(done), len(episodes))
    mean = sum(done) / len(done) if done else None
    return {"succeeded": len(done), "episodes": len(episodes), "interval_95": [low, high], "mean_steps": mean}
