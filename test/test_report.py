"""`wam report`: equal budgets, rows that stay, failures that are told."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_preset

from wam_core.cell.cell import Cell
from wam_core.cell.sensors import FINGERS
from wam_core.cell.tasks.reach import Reach
from wam_core.cli.report import write
from wam_core.evaluation.demonstrations import record_demonstration
from wam_core.evaluation.report.budget import Budget, Exam, contents
from wam_core.evaluation.report.cost import operations, peak_bytes
from wam_core.evaluation.report.departures import departures
from wam_core.evaluation.report.failures import ContactWatch, touched
from wam_core.evaluation.report.plots import save_plots
from wam_core.evaluation.report.study import Study, run_study
from wam_core.evaluation.report.tables import markdown
from wam_core.evaluation.rollout import EpisodeResult
from wam_core.executor.executor import Executor
from wam_core.presets import load_preset, preset_names
from wam_core.robot.robot_file import load_robot
from wam_core.substrates.teacher_features import TeacherFeaturesSpec

BUDGET = Budget(updates=2, batch=4, vae_updates=2, seed=100_001)
#: Variation -> its episodes.
VARIED = {"places": 1, "colours": 1, "camera": 1}
EXAM = Exam(tasks=("reach",), episodes=1, varied_episodes=1, delay_ms=100, seed=100_001)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, robot = tmp_path_factory.mktemp("recordings"), load_robot("panda_cell")
    cell, executor = Cell(robot, "raycast"), Executor(robot)
    for seed in (100_000, 100_001):
        record_demonstration(cell, executor, "reach", seed, folder / f"reach_{seed}.mcap", ("front", "wrist"))
    return folder


@pytest.fixture(scope="module")
def study(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reach, "max_seconds", 1.0)
        yield Study(BUDGET, EXAM, recordings, tmp_path_factory.mktemp("report"), "raycast", ("fast_wam",))


def test_presets_are_measured_once_and_one_that_fails_leaves_the_others_their_turn(study: Study) -> None:
    """One missing part ended the whole run; a second run began from nothing; two presets had two video VAEs."""
    absent = TeacherFeaturesSpec("teacher_features", "/nowhere", rows=4, width=16, pool=2)
    broken = replace(tiny_preset("dust"), substrates={"vision": absent})
    presets, told = [broken, tiny_preset("fast_wam"), tiny_preset("behaviour_cloning")], []
    run_study(study, presets, told.append)
    rows = [study.row(preset) for preset in presets]
    assert rows[0] is not None and "/nowhere" in rows[0]["failed"]
    assert len(list(study.out.glob("vae_*.safetensors"))) == 1
    good = [row for row in rows[1:] if row is not None]
    assert not [row["failed"] for row in good if "failed" in row]
    for row in good:
        assert row["success"]["episodes"] == 1
        assert sum(row["success"]["failures"].values()) == 1 - row["success"]["succeeded"]
        assert row["cost"]["gflops"] > 0 and row["cost"]["peak_mb"] > 0 and row["cost"]["latency_ms"] > 0
        assert {name: found["episodes"] for name, found in row["generalising"].items()} == VARIED
        assert [f["name"] for f in row["properties"]] == ["causal", "interactable", "persistent", "plausible"]
        assert row["training"]["demonstrations"] == 1 and row["question"]["trained"]["budget"]["updates"] == 2
    assert good[0]["blind"]["episodes"] == 1 and good[1]["blind"] is None
    assert good[0]["futures"]["windows"] > 0 and good[1]["futures"] is None
    told.clear()
    run_study(study, presets[1:], told.append)
    assert told == ["fast_wam: there already", "behaviour_cloning: there already"]
    assert study.row(replace(presets[1], held_by=("another_test",))) is not None, "renaming a test is no other model"
    assert study.row(replace(presets[1], steps=7)) is None
    assert replace(study, budget=replace(BUDGET, batch=8)).row(presets[1]) is None
    assert replace(study, exam=replace(EXAM, episodes=2)).row(presets[1]) is None
    text = markdown(good, {"dust": rows[0]["failed"]}, {"fast_wam": "Fast-WAM"})
    assert "| `fast_wam` | Fast-WAM | " in text and "2 updates of 4 windows" in text and "- `dust`: " in text
    untried = {k: v for k, v in good[1].items() if k != "generalising"}
    partly = markdown([good[0], untried], {}, {})
    assert "Not tried: `behaviour_cloning`." in partly and "Not tried" not in text
    pictures = save_plots(good, study.out / "images")
    assert [p.name for p in pictures] == ["report_latency.png", "report_memory.png"]
    assert all(p.stat().st_size > 1000 for p in pictures) and json.dumps(good)


def test_a_parameter_file_stands_for_the_shipped_preset_and_the_report_says_so(study: Study, tmp_path: Path) -> None:
    """A teacher of random weights would have passed for the published one."""
    run_study(study, [tiny_preset("behaviour_cloning")], lambda line: None)
    shipped = load_preset("dust")
    own = replace(shipped, substrates={"vision": replace(shipped.substrates["vision"], weights="random_weights")})
    found = departures(own, shipped)
    assert found == {"substrates.vision.weights": ("random_weights", "google/siglip-base-patch16-224")}
    assert departures(shipped, replace(shipped, held_by=("another_test",))) == {}
    row = study.row(tiny_preset("behaviour_cloning"))
    assert row is not None
    text = markdown([row | {"preset": "dust", "departures": found}], {}, {})
    assert "`dust`: `substrates.vision.weights` is `random_weights`, and `google/siglip-base" in text
    asked = replace(tiny_preset("behaviour_cloning"), steps=7)
    write(study, [tiny_preset("behaviour_cloning")], tmp_path / "as_asked")
    write(study, [asked], tmp_path / "other")
    told = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("as_asked", "other")]
    assert [len(report["rows"]) for report in told] == [1, 0]
    assert "trunk.layers" in told[0]["rows"][0]["departures"] and len(told[1]["missing"]) == len(preset_names())


def test_a_checkpoint_is_measured_again_and_not_trained_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new column cost the training of every preset; a row of an old question stood beside new ones; a checkpoint of
    another budget was measured as if it were of this one."""
    preset, told = tiny_preset("behaviour_cloning"), []
    run_study(study, [preset], lambda line: None)
    weights, row = study.checkpoint(preset.name) / "model.safetensors", study.row(preset)
    made = weights.stat().st_mtime_ns
    assert row is not None
    lacking = {k: v for k, v in row.items() if k not in ("generalising", "properties")}
    study.row_file(preset.name).write_text(json.dumps(lacking))
    begun, reset = Counter[str](), Cell.reset

    def counted(cell: Cell, task: str, seed: int, variation: str = "none") -> str:
        begun[variation] += 1
        return reset(cell, task, seed, variation)

    monkeypatch.setattr(Cell, "reset", counted)

    def interrupted(line: str) -> None:
        told.append(line)
        if line.endswith("generalising"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(study, [preset], interrupted)
    assert told == ["behaviour_cloning: properties", "behaviour_cloning: generalising"] and not begun["places"]
    told.clear()
    run_study(study, [preset], told.append)
    assert told[0] == "behaviour_cloning: generalising"
    assert {name: count for name, count in begun.items() if name != "none"} == VARIED
    again = study.row(preset)
    assert again is not None and {**again, "seconds": 0} == {**row, "seconds": 0}
    told.clear()
    longer = replace(study, exam=replace(EXAM, delay_ms=200))
    run_study(longer, [preset], told.append)
    assert [line.split()[1] for line in told[:-1]] == ["success", "futures", "properties", "generalising"]
    assert study.row(preset) is None and longer.row(preset) is not None and weights.stat().st_mtime_ns == made
    told.clear()
    run_study(replace(study, budget=replace(BUDGET, updates=3)), [preset], told.append)
    assert told[0] == "behaviour_cloning: 3 updates" and weights.stat().st_mtime_ns > made


def test_other_recordings_of_the_same_names_are_other_data(recordings: Path, tmp_path: Path) -> None:
    """Recordings that were made anew under their old names passed for those that a checkpoint was trained on."""
    copied = tmp_path / "copied"
    shutil.copytree(recordings, copied, ignore=shutil.ignore_patterns(".cache"))
    assert contents(copied) == contents(recordings)
    changed = sorted(copied.glob("*.mcap"))[0]
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    assert contents(copied) != contents(recordings)
    shutil.copy(recordings / changed.name, changed)
    assert contents(copied) == contents(recordings)


def test_operations_and_memory_are_those_of_the_mathematics() -> None:
    """Attention counted as nothing on CPUs; memory that was freed again counted as held."""
    a, b = torch.randn(64, 32), torch.randn(32, 16)
    assert operations(lambda: a @ b) == 2 * 64 * 32 * 16
    q = torch.randn(1, 2, 10, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert operations(lambda: attend(q, q, q)) == 2 * (2 * 2 * 10 * 10 * 8)

    def three_in_turn() -> None:
        for _ in range(3):
            torch.ones(1000).add_(1.0)[:10].view(2, 5)

    assert peak_bytes(three_in_turn) == 4000
    kept: list[torch.Tensor] = []
    assert peak_bytes(lambda: kept.extend(a + k for k in range(3))) == 3 * a.nbytes


def test_failures_are_told_apart_by_what_the_arm_was_at() -> None:
    """Every failed episode looked the same: an arm that never got there, and one that lost what it held."""
    cell = Cell(load_robot("panda_cell"), "raycast")

    def result(**changes: object) -> EpisodeResult:
        plain = EpisodeResult("push", 0, "", False, 1.0, 1, 1, {}, {})
        return replace(plain, **changes)  # type: ignore[arg-type]

    def tag(at: list[bool], another: bool = False) -> str:
        watch = ContactWatch(cell)
        watch._at_subject, watch._at_another = at, another
        return watch.tag(result())

    long = [False] * 100
    assert ContactWatch(cell).tag(result(success=True)) == "" and ContactWatch(cell).tag(result(chunks=0)) == "no chunk"
    assert (tag(long), tag(long, another=True)) == ("never touched", "touched another")
    assert (tag([True, *long]), tag([*long, True])) == ("touched and lost", "timed out")
    for task, body in (("push", "block_0"), ("reach", "ball_0")):
        cell.reset(task, 0)
        assert touched(cell) == set()
        cell.scene.place(body, cell.scene.position(FINGERS["left"]) - (0.0, 0.0, 0.03))
        cell.step(np.zeros(8))
        assert touched(cell) == {body}
