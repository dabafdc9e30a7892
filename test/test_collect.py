"""Collecting demonstrations: resuming, failures, and what the command refuses."""

import json
from pathlib import Path

import pytest

from wam_core.cli import collect
from wam_core.cli.main import run
from wam_core.data.reader import read_episode
from wam_core.errors import ContractError


def job(folder: Path, **changes: object) -> collect.Job:
    known = {"robot": "panda_cell", "task": "reach", "seed": 0, "folder": str(folder), "renderers": ("raycast",)}
    return collect.Job(**(known | {"cameras": ("wrist",), "senses": (), "keep_failures": False} | changes))  # type: ignore[arg-type]


def pretend(failing: set[int], attempted: list[int]):  # noqa: ANN201
    """A map that leaves empty files instead of running episodes."""

    def one(work: collect.Job) -> collect.Attempt:
        attempted.append(work.seed)
        success = work.seed not in failing
        if success or work.keep_failures:
            collect.episode_path(Path(work.folder), work.task, work.seed).touch()
        return collect.Attempt(work.task, work.seed, success, 10, "raycast", 0.1)

    return lambda function, jobs: map(one, jobs)


def test_an_attempt_leaves_one_readable_file(tmp_path: Path) -> None:
    """The file of a demonstration must be complete under its name, with nothing half-written beside it."""
    attempt = collect.attempt(job(tmp_path, seed=1))
    assert attempt.success and [p.name for p in tmp_path.iterdir()] == ["reach_000001.mcap"]
    episode = read_episode(tmp_path / "reach_000001.mcap")
    assert episode.success and len(episode.stamps_ns) == attempt.steps and list(episode.images) == ["wrist"]


def test_senses_are_recorded_on_request_alone(tmp_path: Path) -> None:
    """Every set of demonstrations was ten times as large, for depth that nobody trained with; asked for, it was not
    there."""
    names, known = ("wrist_depth", "sound", "left_fingertip", "right_fingertip"), ["depth", "sound", "touch"]
    collect.attempt(job(tmp_path, seed=1, senses=names))
    collect.attempt(job(tmp_path, seed=2))
    asked, plain = (read_episode(tmp_path / f"reach_00000{k}.mcap", channels=known) for k in (1, 2))
    assert set(asked.senses) == set(names) and not plain.senses


def test_failed_seeds_are_replaced_by_the_next_ones(tmp_path: Path) -> None:
    """Stopping after N attempts instead of N successes leaves the set short without a word."""
    attempted: list[int] = []
    assert collect.collect_task(job(tmp_path), 4, pretend({1, 4}, attempted))
    assert attempted == [0, 1, 2, 3, 4, 5]
    assert sorted(p.stem for p in tmp_path.glob("*.mcap")) == [f"reach_00000{s}" for s in (0, 2, 3, 5)]


def test_a_second_run_goes_on_where_the_first_was_cut_off(tmp_path: Path) -> None:
    """Collecting again what is already there, or trusting a file that is gone, both spoil a long collection."""
    attempted: list[int] = []
    collect.collect_task(job(tmp_path), 3, pretend({1}, attempted))
    with (tmp_path / collect.ATTEMPTS_FILE).open("a") as log:
        log.write('{"task": "reach", "se')
    (tmp_path / "reach_000002.mcap").unlink()
    again: list[int] = []
    collect.collect_task(job(tmp_path), 5, pretend({1}, again))
    assert attempted == [0, 1, 2, 3] and again == [2, 4, 5]
    third: list[int] = []
    collect.collect_task(job(tmp_path), 6, pretend({1}, third))
    assert third == [6]


def test_kept_failures_are_attempted_again_when_only_their_log_is_left(tmp_path: Path) -> None:
    """A set with failures needs the failures' files, not only the knowledge that they failed."""
    collect.collect_task(job(tmp_path), 2, pretend({0}, []))
    attempted: list[int] = []
    collect.collect_task(job(tmp_path, keep_failures=True), 2, pretend({0}, attempted))
    assert attempted == [0] and (tmp_path / "reach_000000.mcap").exists()


def test_a_task_whose_expert_always_fails_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken scene must end with a message, not fill the night with failures."""
    assert not collect.collect_task(job(tmp_path), 10, pretend(set(range(1000)), []))
    assert "attempts failed in a row; 0 of 10" in capsys.readouterr().out


def test_wrong_words_are_named_before_anything_runs(tmp_path: Path) -> None:
    """A typo in a camera must not be found after an hour."""
    for words, field in (
        (["task:=pusch", f"out:={tmp_path}"], "task.*push"),
        (["task:=push", f"out:={tmp_path}", "cameras:=front,top"], "camera.*wrist"),
        (["task:=push", f"out:={tmp_path}", "renderer:=gl"], "renderer.*egl"),
    ):
        with pytest.raises(ContractError, match=field):
            run("collect", words)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_collects_with_two_processes(tmp_path: Path) -> None:
    """Everything a worker needs must travel to another process."""
    words = ["task:=reach", "episodes:=2", f"out:={tmp_path}", "jobs:=2", "cameras:=wrist", "renderer:=raycast"]
    assert run("collect", words) == 0
    logged = [json.loads(line) for line in (tmp_path / collect.ATTEMPTS_FILE).read_text().splitlines()]
    assert sum(a["success"] for a in logged) == len(list(tmp_path.glob("*.mcap"))) == 2
