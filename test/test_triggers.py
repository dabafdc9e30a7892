"""What ends a chunk early, held against what experts do in the cell and what goes wrong there; and over ROS."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import INSTRUCTIONS, TINY, tiny_checkpoint

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, Observation
from wam_core.data.frames import TrainingFrames
from wam_core.data.training_set import load_frames
from wam_core.errors import ContractError
from wam_core.evaluation.demonstrations import record_demonstration
from wam_core.executor.executor import Executor
from wam_core.policy import Policy
from wam_core.preprocess.images import ImageLayout
from wam_core.presets import from_dict, load_preset
from wam_core.robot.robot_file import load_robot
from wam_core.substrates.substrate import Scenes
from wam_core.training.batches import learned_from
from wam_core.training.checkpoint import load_checkpoint, save_checkpoint
from wam_core.triggers.critical_phase import CriticalPhase
from wam_core.triggers.event_boundary import EventBoundary
from wam_core.triggers.out_of_distribution import OutOfDistribution
from wam_core.triggers.progress_gate import ProgressGate

ROBOT = load_robot("panda_cell")
LAYOUT = ImageLayout(("front", "wrist"), 32, 32)
HORIZON, STRIDE = 16, 4


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, TrainingFrames]:
    """What experts did: three drawers, and a cube put into a tray."""
    folder, cell = tmp_path_factory.mktemp("demonstrations"), Cell(ROBOT, "raycast")
    for task, seeds in (("drawer", range(3)), ("pick_place", range(1))):
        (folder / task).mkdir()
        for seed in seeds:
            path = folder / task / f"{seed}.mcap"
            record_demonstration(cell, Executor(ROBOT), task, seed, path, LAYOUT.cameras)
    return {task: load_frames(folder / task, LAYOUT, folder / "cache") for task in ("drawer", "pick_place")}


@dataclass
class Recorded:
    """A chunk that is a recording from ``start`` on, with the futures that came true in it. Now it is ``steps`` later,
    and things are as recorded unless ``truth`` says otherwise."""

    frames: TrainingFrames
    start: int
    steps: float
    truth: Mapping[str, np.ndarray] = field(default_factory=dict)
    learned: Mapping[str, torch.Tensor] = field(default_factory=dict)
    rng: torch.Generator = field(default_factory=torch.Generator)

    @property
    def chunk(self) -> ActionChunk:
        last = self.frames.bounds[self.frames.stretch[self.start]][1] - 1
        values = self.frames.actions[np.minimum(self.start + np.arange(HORIZON), last)]
        return ActionChunk(0, 1, 1, ROBOT.action.names, ROBOT.action.space, values, 0)

    @property
    def now(self) -> "Recorded":
        return self

    def _after(self, row: int, values: np.ndarray) -> np.ndarray:
        last = self.frames.bounds[self.frames.stretch[row]][1] - 1
        return np.asarray(values[np.minimum(row + np.arange(STRIDE, HORIZON + 1, STRIDE), last)])[:, None]

    def promised(self, group: str) -> np.ndarray:
        return self._after(self.start, self.frames.scenes.channel(group))

    def foreseen(self, group: str) -> np.ndarray:
        values = self.truth.get(group, self.frames.scenes.channel(group))
        return self._after(self.start + round(self.steps), values)

    def generate(self, outputs: tuple[str, ...], rng: torch.Generator, candidates: int = 0, given: object = None):  # type: ignore[no-untyped-def]
        return {n: torch.from_numpy(2.0 * self.foreseen(n) - 1.0)[None] for n in outputs}


def firsts(frames: TrainingFrames) -> range:
    """Rows of the first recording from which a whole chunk can be carried out."""
    return range(int(frames.bounds[0][1]) - HORIZON)


def fired(trigger: EventBoundary | CriticalPhase, frames: TrainingFrames, start: int) -> int:
    """Action steps after which the trigger ends a chunk from ``start``; the horizon, if it never does."""
    return next((k for k in range(1, HORIZON) if trigger.parted(Recorded(frames, start, float(k)))), HORIZON)  # type: ignore[arg-type]


def test_a_chunk_ends_once_contact_is_made_or_lost(recorded: Mapping[str, TrainingFrames]) -> None:
    """A chunk made in free space went on pushing for a second after the handle was hit."""
    frames = recorded["drawer"]
    contact, trigger = frames.channels["contact"], EventBoundary("event_boundary", signal="contact")
    assert np.diff(contact).any(), "the expert touches the handle"
    for start in firsts(frames):
        instants = contact[start + np.arange(STRIDE, HORIZON + 1, STRIDE)] > 0.5
        events = [k for k in range(1, len(instants)) if instants[k] != instants[k - 1]]
        expected = min(STRIDE * (events[0] + 1), HORIZON) if events else HORIZON
        assert fired(trigger, frames, start) == expected


def test_a_chunk_ends_once_the_gripper_has_closed_or_opened(recorded: Mapping[str, TrainingFrames]) -> None:
    """The chunk that closed the fingers carried the arm off before anybody had looked whether they hold something."""
    frames = recorded["pick_place"]
    trigger, ends = EventBoundary("event_boundary", gripper=True), set()
    for start in firsts(frames):
        closed = frames.actions[start : start + HORIZON, 6] > 0.5
        events = np.flatnonzero(closed[1:] != closed[:-1])
        assert fired(trigger, frames, start) == (min(int(events[0]) + 2, HORIZON) if len(events) else HORIZON)
        ends.add(fired(trigger, frames, start))
    assert len(ends) > 3 and HORIZON in ends


def test_chunks_are_short_where_it_is_critical_and_nowhere_else(recorded: Mapping[str, TrainingFrames]) -> None:
    """Contact was dealt with at the pace of free space; or free space at the price of contact."""
    trigger, lengths = CriticalPhase("critical_phase", when="contact", steps=4), set()
    for frames in recorded.values():
        for start in firsts(frames):
            length = fired(trigger, frames, start)
            ahead = [Recorded(frames, start, float(k)).foreseen("contact").mean() > 0.5 for k in range(4, HORIZON)]
            assert length == (4 + ahead.index(True) if any(ahead) else HORIZON)
            lengths.add(length)
    assert lengths >= {4, HORIZON}


def test_progress_that_is_not_what_was_promised_ends_the_chunk(recorded: Mapping[str, TrainingFrames]) -> None:
    """An arm that was held up kept executing a chunk that took it to be done."""
    frames = recorded["drawer"]
    progress, trigger = frames.scenes.channel("progress"), ProgressGate("progress_gate", "progress", 0.1, 0.1)
    hindered = slower = 0
    for start, steps in itertools.product(firsts(frames), range(HORIZON)):
        assert not trigger.parted(Recorded(frames, start, float(steps)))  # type: ignore[arg-type]
        held_up = {"progress": np.full(len(progress), progress[start])}
        jumped = {"progress": np.minimum(progress + 0.3, 1.0)}
        hindered += trigger.parted(Recorded(frames, start, float(steps), held_up))  # type: ignore[arg-type]
        slower += trigger.parted(Recorded(frames, start, float(steps), jumped))  # type: ignore[arg-type]
    assert hindered > 0 and slower > 0
    late = Recorded(frames, 0, 11.0, {"progress": np.zeros(len(progress))})
    assert trigger.parted(late) and not trigger.parted(replace(late, steps=0.0))  # type: ignore[arg-type]
    assert not trigger.parted(replace(late, steps=13.0)), "of that the chunk says nothing"  # type: ignore[arg-type]


@dataclass(frozen=True)
class Seen:
    features: torch.Tensor
    learned: Mapping[str, torch.Tensor]

    def present(self, substrate: str) -> torch.Tensor:
        return self.features


def test_what_is_unlike_all_training_data_is_told_from_what_is_not(recorded: Mapping[str, TrainingFrames]) -> None:
    """A covered lens, or a lamp gone out, got a full chunk; or every new layout was taken for strange."""
    trigger = OutOfDistribution("out_of_distribution", "pixels", references=256, quantile=0.99)
    preset = replace(load_preset("dreamavoid"), layout=LAYOUT, trigger=trigger)
    pixels = TINY["pixels"].build(preset.clip)
    drawers = recorded["drawer"]
    learned = learned_from(preset, drawers.select(range(2)), {"pixels": pixels}, torch.Generator().manual_seed(0))

    def share(images: np.ndarray) -> float:
        features = pixels.encode(Scenes(images), np.arange(len(images))[:, None])
        return float(np.mean([trigger.parted(Seen(f, learned)) for f in features]))  # type: ignore[arg-type]

    unseen = drawers.select([2]).images
    covered = unseen.copy()
    covered[:, :, :32] = 10
    stopped, caught = share(unseen), (share(covered), share(unseen // 3))
    assert stopped < 0.1 and min(caught) > 0.9, (stopped, caught)
    with pytest.raises(ContractError, match="2 or more"):
        learned_from(preset, drawers.select([0]), {"pixels": pixels}, torch.Generator())


def observation(value: int, stamp_ns: int = 0) -> Observation:
    images = {c: np.full((128, 128, 3), value, np.uint8) for c in LAYOUT.cameras}
    return Observation(stamp_ns, images, np.zeros(7), INSTRUCTIONS[0])


def test_what_a_trigger_learned_is_kept_with_the_checkpoint(tmp_path: Path) -> None:
    """The threshold was made of whatever data lay about where the robot was."""
    trigger = OutOfDistribution("out_of_distribution", "pixels", references=16, quantile=0.99)
    checkpoint = tiny_checkpoint("dreamavoid", trigger=trigger)
    save_checkpoint(tmp_path, checkpoint)
    again = load_checkpoint(tmp_path)
    assert all(torch.equal(again.learned[n], value) for n, value in checkpoint.learned.items())
    policy = Policy(again, seed=0)
    assert not policy.parted(observation(0)), "there is no chunk yet"
    policy.act(observation(110))
    assert policy.parted(observation(255, 10**8)) and policy.parted(observation(0, 10**8))
    (tmp_path / "trigger.safetensors").unlink()
    with pytest.raises(ContractError, match=r"checkpoint\.trigger\.safetensors"):
        load_checkpoint(tmp_path)


def test_a_model_answers_its_own_triggers() -> None:
    """A trigger could be named and not be answered: what it asks of a model was there in its tests alone."""
    for trigger in (
        CriticalPhase("critical_phase", "critical", 1),
        EventBoundary("event_boundary", "critical", True),
        ProgressGate("progress_gate", "progress", 1e-6, 1e-6),
    ):
        policy = Policy(tiny_checkpoint("dreamavoid", trigger=trigger), seed=0)
        policy.act(observation(110))
        heard = [policy.parted(observation(value, k * ROBOT.step_ns)) for k in range(1, 12) for value in (0, 110, 255)]
        assert heard == [policy.parted(observation(v, k * ROBOT.step_ns)) for k in range(1, 12) for v in (0, 110, 255)]
        assert trigger.kind != "progress_gate" or any(heard)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"kind": "critical_fase", "when": "critical", "steps": 1}, "did you mean 'critical_phase'"),
        ({"kind": "critical_phase", "when": "contact", "steps": 1}, r"trigger\.when.*one of .*critical"),
        ({"kind": "critical_phase", "when": "progress", "steps": 1}, r"trigger\.when.*does not depend on action"),
        ({"kind": "critical_phase", "when": "critical", "steps": 0}, r"trigger\.steps"),
        ({"kind": "event_boundary"}, r"trigger\.signal"),
        ({"kind": "event_boundary", "signal": "future"}, r"trigger\.signal.*signal"),
        (
            {"kind": "progress_gate", "progress": "first_frame", "behind": 0.1, "ahead": 0.1},
            r"trigger\.progress.*one of",
        ),
        ({"kind": "progress_gate", "progress": "progress", "behind": 0.0, "ahead": 0.1}, r"trigger\.behind"),
        ({"kind": "forecast_verifier", "future": "future", "share": 1.0, "floor": 0.0}, r"trigger\.future.*made with"),
        ({"kind": "out_of_distribution", "substrate": "video", "references": 9, "quantile": 0.9}, "observed: pixels"),
        ({"kind": "out_of_distribution", "substrate": "pixels", "references": 9, "quantile": 1.0}, r"quantile"),
    ],
)
def test_a_trigger_without_what_it_asks_is_refused(raw: Mapping[str, object], message: str) -> None:
    """A trigger that could never fire was taken for caution."""
    with pytest.raises(ContractError, match=message):
        from_dict({**load_preset("dreamavoid").to_dict(), "trigger": raw}, "mine")
