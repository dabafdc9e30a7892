"""What a study trains and evaluates, read from its file in ``config/studies``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from wam_core.cell.tasks import TASKS
from wam_core.cell.variations import VARIATIONS
from wam_core.errors import ContractError, look_up
from wam_core.evaluation.study.futures import FUTURES
from wam_core.evaluation.success import CONTROLS
from wam_core.fields import exact_fields, read
from wam_core.paths import share_path
from wam_core.policy import checkpoint_folder
from wam_core.presets import load_preset


@dataclass(frozen=True)
class Arm:
    """One way of training and acting.

    Attributes:
        says: what it is, for people.
        future: what its future groups learn from, a key of :data:`wam_core.evaluation.study.futures.FUTURES`.
        control: what is done to its eyes in episodes, a key of :data:`wam_core.evaluation.success.CONTROLS`.
        weights_of: another arm, whose weights it acts with; empty where it is trained itself.
    """

    preset: str
    says: str
    future: str = "recorded"
    control: str = "none"
    weights_of: str = ""


@dataclass(frozen=True)
class Question:
    """What pairs of arms answer: the first one's success less the second one's."""

    asks: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Entry:
    """One training: an arm, from so many demonstrations of each task, with one seed."""

    arm: str
    demonstrations: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.arm}_{self.demonstrations}_{self.seed}"


@dataclass(frozen=True)
class Plan:
    """A study.

    Attributes:
        title: what is asked, in one line.
        demonstrations: of each task, for each of which every arm is trained; fewer are the first of more.
        held_out: demonstrations of each task that no arm is trained on, for losses and predicted pictures.
        seeds: of the weights and of what is drawn in training.
        episodes: of each task, condition and training seed; training seeds have episodes of their own, arms the same.
        conditions: names of the cell's variations, ``none`` for what demonstrations were like.
        updates, batch: of each training. delay_ms: from an observation to its chunk, that episodes imitate.
        video_vae: the checkpoint (a preset's, or a folder) whose video VAE all arms see through, frozen.
    """

    title: str
    tasks: tuple[str, ...]
    demonstrations: tuple[int, ...]
    held_out: int
    seeds: tuple[int, ...]
    episodes: int
    conditions: tuple[str, ...]
    updates: int
    batch: int
    delay_ms: int
    video_vae: str
    arms: Mapping[str, Arm]
    questions: Mapping[str, Question]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All trainings. A whole seed of all arms comes before the next, so that what is there at any time can be
        compared."""
        trained = [name for name, arm in self.arms.items() if not arm.weights_of]
        return tuple(Entry(arm, n, seed) for n in self.demonstrations for seed in self.seeds for arm in trained)

    def acting(self, trained: Entry) -> tuple[Entry, ...]:
        """The entry itself, and those of arms that act with its weights."""
        arms = [n for n, arm in self.arms.items() if trained.arm in (n, arm.weights_of)]
        return tuple(Entry(arm, trained.demonstrations, trained.seed) for arm in arms)


def load_plan(name_or_path: str) -> tuple[str, Plan]:
    """``config/studies/<name>.yaml``, or a file given by path; the name is the file's.

    Raises:
        ContractError: no such study, or one that names a task, condition, preset or arm that there is not.
    """
    file = Path(name_or_path)
    if file.suffix != ".yaml":
        known = {p.stem: p for p in share_path("config/studies").glob("*.yaml")}
        file = look_up(known, name_or_path, "study")
    return file.stem, _read(file)


def _read(file: Path) -> Plan:
    raw = exact_fields(Plan, yaml.safe_load(file.read_text()), file.stem)
    arms = {n: read(Arm, arm, f"{file.stem}.arms.{n}") for n, arm in raw["arms"].items()}
    asked = raw["questions"].items()
    questions = {n: _question(q, f"{file.stem}.questions.{n}", arms) for n, q in asked}
    plan = read(Plan, raw | {"arms": arms, "questions": questions}, file.stem)
    _check(plan, file.stem)
    return plan


def _question(raw: Mapping[str, object], source: str, arms: Mapping[str, Arm]) -> Question:
    question = read(Question, raw, source)
    pairs = tuple((str(first), str(second)) for first, second in question.pairs)
    for name in (name for pair in pairs for name in pair):
        look_up(arms, name, f"{source}.pairs")
    return Question(question.asks, pairs)


def _check(plan: Plan, source: str) -> None:
    for task in plan.tasks:
        look_up(TASKS, task, f"{source}.tasks")
    for condition in plan.conditions:
        look_up(VARIATIONS, condition, f"{source}.conditions")
    checkpoint_folder(plan.video_vae)
    for name, arm in plan.arms.items():
        load_preset(arm.preset)
        look_up(FUTURES, arm.future, f"{source}.arms.{name}.future")
        look_up(CONTROLS, arm.control, f"{source}.arms.{name}.control")
        if arm.weights_of and look_up(plan.arms, arm.weights_of, f"{source}.arms.{name}.weights_of").weights_of:
            raise ContractError(f"{source}.arms.{name}.weights_of", arm.weights_of, "an arm that is trained itself")
    for field in ("demonstrations", "held_out", "episodes", "updates", "batch"):
        found = getattr(plan, field)
        if min(found if isinstance(found, tuple) else (found,)) < 1:
            raise ContractError(f"{source}.{field}", found, "one or more")
