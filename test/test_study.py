"""`wam study`: what an arm learns from, which demonstrations it sees, and what intervals allow one to say."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_preset

from wam_core.cell.cell import Cell
from wam_core.cli.main import run as wam
from wam_core.data.training_set import load_frames
from wam_core.errors import ContractError
from wam_core.evaluation.demonstrations import record_demonstration
from wam_core.evaluation.report.budget import Budget
from wam_core.evaluation.report.learned import learned_file
from wam_core.evaluation.study.compare import difference, level, rate
from wam_core.evaluation.study.entry import Place, chosen, row_of
from wam_core.evaluation.study.futures import shuffled
from wam_core.evaluation.study.plan import Entry, load_plan
from wam_core.evaluation.study.spread import SPREADS
from wam_core.executor.executor import Executor
from wam_core.robot.robot_file import load_robot
from wam_core.training.batches import Batches

IMAGINATION = load_plan("imagination")[1]


def altered_plan(folder: Path, **changes: object) -> Path:
    file = folder / "asked.yaml"
    raw = yaml.safe_load(Path("config/studies/imagination.yaml").read_text())
    file.write_text(yaml.safe_dump(raw | changes))
    return file


def test_the_study_asks_what_the_paper_asks() -> None:
    """An arm that acts with another's weights was trained once more, with other weights."""
    trained = {e.arm for e in IMAGINATION.entries}
    assert trained == set(IMAGINATION.arms) - {"blind"}
    of_fast_wam = Entry("fast_wam", 50, 1)
    assert IMAGINATION.acting(of_fast_wam) == (of_fast_wam, Entry("blind", 50, 1))
    assert len(IMAGINATION.seeds) >= 3 and len(IMAGINATION.seeds) * IMAGINATION.episodes >= 100


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tasks": ["reech"]}, "asked.tasks"),
        ({"conditions": ["dark"]}, "asked.conditions"),
        ({"updates": 0}, "asked.updates"),
        ({"questions": {"x": {"asks": "?", "pairs": [["fast_wam", "fast_vam"]]}}}, "asked.questions.x.pairs"),
        ({"arms": {"fast_wam": {"preset": "fast_vam", "says": ""}}, "questions": {}}, "model"),
        ({"arms": {"fast_wam": {"preset": "fast_wam", "says": "", "future": "x"}}, "questions": {}}, "arms.fast_wam"),
    ],
)
def test_a_study_that_cannot_be_made_says_where(changes: dict[str, object], named: str, tmp_path: Path) -> None:
    """A misspelt arm was found after the first hour of training."""
    with pytest.raises(ContractError, match=named):
        load_plan(str(altered_plan(tmp_path, **changes)))


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6), seed=st.integers(0, 2**31))
def test_a_shuffled_future_is_another_instant_of_the_same_recording(lengths: list[int], seed: int) -> None:
    """A window had a future of another scene, which shows more than that it is not what comes next."""
    stretch = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    rows = torch.arange(len(stretch)).float()[:, None, None]
    features = {("video", "future"): rows, ("video", "present"): rows, ("action", "future"): rows}
    words = torch.zeros(len(stretch), 1, dtype=torch.long)
    made = shuffled(Batches(features, words, rows[:, 0]), stretch, torch.Generator().manual_seed(seed))
    future = made.features["video", "future"][:, 0, 0].long()
    assert (stretch[future] == stretch).all() and sorted(future.tolist()) == list(range(len(stretch)))
    assert torch.equal(made.features["video", "present"], rows) and torch.equal(made.features["action", "future"], rows)
    if max(lengths) == 9:
        assert not torch.equal(future, torch.arange(len(stretch))), "nothing was shuffled"


def test_intervals_know_that_trainings_differ() -> None:
    """Three lucky trainings of many episodes each looked like a certainty; no success at all like a certain zero."""
    alike = {seed: [1, 0] * 25 for seed in range(3)}
    apart = {0: [1] * 50, 1: [1, 0] * 25, 2: [0] * 50}
    same, different = rate(alike), rate(apart)
    assert same and different and same.mean == different.mean == 0.5
    assert different.high - different.low > 2 * (same.high - same.low)
    none = rate({seed: [0] * 34 for seed in range(3)})
    assert none and none.low == 0.0 and none.high > 0.02
    assert rate({}) is None and difference(alike, {}) is None


def test_differences_are_paired_by_training_and_episode() -> None:
    """Scenes that are hard for every arm hid what one arm adds."""
    hard = np.random.default_rng(0).integers(2, size=(3, 40))
    better = {s: np.maximum(hard[s], np.arange(40) % 5 == 0).tolist() for s in range(3)}
    found = difference(better, {s: hard[s].tolist() for s in range(3)})
    assert found and found.told_apart and found.mean > 0
    turned = difference({s: hard[s].tolist() for s in range(3)}, better)
    assert turned and turned.mean == -found.mean


def test_the_best_are_those_that_no_interval_parts_from_the_highest() -> None:
    """Prevents: the arm of the luckiest training taken for the best, or a surely worse one let in for its cost."""
    high, near = {s: [1] * 30 + [0] * 4 for s in range(3)}, {s: [1] * 29 + [0] * 5 for s in range(3)}
    low: dict[int, list[int]] = {s: [1] * 8 + [0] * 26 for s in range(3)}
    assert level({"low": low, "near": near, "high": high, "untried": {}}) == ["high", "near"]
    assert level({}) == []


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, robot = tmp_path_factory.mktemp("recordings"), load_robot("panda_cell")
    cell, executor = Cell(robot, "raycast"), Executor(robot)
    for seed in range(100_000, 100_004):
        record_demonstration(cell, executor, "reach", seed, folder / f"reach_{seed}.mcap", ("front", "wrist"))
    return folder


def test_fewer_demonstrations_are_the_first_of_more_and_none_is_held_out(recordings: Path) -> None:
    """The arm with fewer demonstrations had seen others, one of which the losses were computed on."""
    frames = load_frames(recordings, tiny_preset("fast_wam").layout, recordings / ".cache")
    plan = replace(IMAGINATION, held_out=1)
    few, many = (chosen(plan, n, frames)[0].files for n in (1, 3))
    held = chosen(plan, 3, frames)[1].files
    assert set(few) < set(many) and not set(many) & set(held) and len(set(many) | set(held)) == 4
    with pytest.raises(ContractError, match="4 recordings of reach"):
        chosen(plan, 4, frames)


def test_processes_that_begin_at_once_do_not_take_the_cache_from_each_other(recordings: Path, tmp_path: Path) -> None:
    """The first two trainings of a study both found no cache; the second to finish found its file renamed, and died."""
    ready, layout = threading.Barrier(2), tiny_preset("fast_wam").layout

    def read(_: int) -> int:
        return len(load_frames(recordings, layout, tmp_path, report=lambda k, n: k == n and ready.wait()).actions)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(read, range(2))
    assert one == other and [p.suffix for p in tmp_path.iterdir()] == [".npz"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SPREADS)
def test_what_goes_wrong_in_another_process_stands_in_the_rows(name: str, tmp_path: Path) -> None:
    """One training that failed far away took the whole study with it, and nobody knew which."""
    if name == "ray":
        pytest.importorskip("ray", reason="Ray is an extra: pip install -r requirements-ray.txt")
    place = Place(tmp_path / "nothing", tmp_path / "out", "raycast")
    entries = [Entry("fast_wam", 50, 0), Entry("behaviour_cloning", 50, 0)]
    told = sorted(line for lines in SPREADS[name](IMAGINATION, entries, place, 1) for line in lines)
    assert [line.split(":")[0] for line in told] == ["behaviour_cloning_50_0", "blind_50_0", "fast_wam_50_0"]
    assert all("a folder with recordings" in line for line in told)
    assert "failed" in json.loads(place.row_file(entries[0]).read_text())


@pytest.mark.slow
def test_a_study_is_made_once_and_written_from_what_is_there(recordings: Path, tmp_path: Path) -> None:
    """An interrupted study began from nothing; a control was trained anew; its report had arms without rows."""
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump({"/**": {"ros__parameters": tiny_preset("fast_wam").to_dict()}}))
    frames = load_frames(recordings, tiny_preset("fast_wam").layout, recordings / ".cache")
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    budget = Budget(2, 4, 2, 0)
    made = learned_file(tiny_preset("fast_wam"), frames, "", budget, shipped, lambda line: None)
    assert made is not None
    made.rename(shipped / "video.safetensors")
    arms = {
        "fast_wam": {"preset": str(preset), "says": "a"},
        "shuffled_future": {"preset": str(preset), "says": "b", "future": "shuffled"},
        "blind": {"preset": str(preset), "says": "c", "weights_of": "fast_wam", "control": "blind"},
    }
    pairs = [["fast_wam", "blind"], ["fast_wam", "shuffled_future"]]
    small = {"demonstrations": [1, 2], "held_out": 1, "seeds": [0], "episodes": 1, "updates": 20, "batch": 4}
    file = altered_plan(
        tmp_path,
        **small,
        conditions=["none"],
        video_vae=str(shipped),
        arms=arms,
        questions={"q": {"asks": "Does it help?", "pairs": pairs}},
    )
    plan, place = load_plan(str(file))[1], Place(recordings, tmp_path / "out", "raycast")
    words = ["--data", str(recordings), "--out", str(place.out), "--renderer", "raycast", "--jobs", "1"]
    assert wam("study", [str(file), *words, "--demonstrations", "2"]) == 0
    entries = [e for e in plan.entries if e.demonstrations == 2]
    rows = {row.name: row_of(plan, row, place) for e in entries for row in plan.acting(e)}
    assert len(rows) == 3 and not [name for name, row in rows.items() if row is None]
    fast, blind = rows["fast_wam_2_0"], rows["blind_2_0"]
    assert fast and blind and fast["training"] == blind["training"]
    assert [step for step, _ in fast["training"]["curve"]] == list(range(2, 21, 2))
    assert fast["training"]["curve"][-1][1] == fast["training"]["held_out"]
    shuffled_row = rows["shuffled_future_2_0"]
    assert shuffled_row and shuffled_row["training"]["held_out"] != fast["training"]["held_out"]
    times = {f: f.stat().st_mtime_ns for f in place.out.rglob("*.json")}
    assert wam("study", [str(file), *words, "--demonstrations", "2"]) == 0
    assert {f: f.stat().st_mtime_ns for f in times if f.name != "study_asked.json"} == {
        f: t for f, t in times.items() if f.name != "study_asked.json"
    }
    text = (place.out / "study_asked.md").read_text()
    assert "| 2 | `blind` |" in text and "Of 1 demonstrations not every arm" in text
    assert len(json.loads((place.out / "study_asked.json").read_text())) == 3
    assert {p.name for p in (place.out / "images").iterdir()} == {"asked_q.png", "asked_cost.png", "asked_curves.png"}
    assert wam("study", [str(file), *words, "--only-write"]) == 1, "half of it is missing"
    with pytest.raises(ContractError, match="fast_wam"):
        wam("study", [str(file), *words, "--arms", "fast_vam"])
