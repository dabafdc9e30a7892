"""Adversarial chunks end to end: what the campaign reports must be what happened."""

import pytest

from wam_core.evaluation.safety import Run, attack, attack_all, runs
from wam_core.evaluation.safety_chunks import ADVERSARIES
from wam_core.executor import executor as executor_module
from wam_core.executor import filters


def test_no_command_beyond_a_limit_and_a_reason_for_every_fault() -> None:
    """The point of the executor: nothing that a model sends moves the arm beyond what its owner allowed."""
    found = attack(Run("panda_cell", "cross_fade", 0, 0))
    for index in range(1, 8):
        found += attack(Run("panda_cell", "cross_fade", 0, index))
    assert found.examples == []
    assert not found.violations and not found.unexplained
    assert set(found.chunks) == set(ADVERSARIES) and found.ticks > 1000


def test_a_chunk_has_a_reason_of_its_own_while_the_arm_lags_behind_the_one_before() -> None:
    """A chunk that goes on where one that was too fast would be by now was followed 0.8 rad behind without a word:
    what it asks for was compared with that chunk, not with the arm (found by 30 000 chunks)."""
    found = attack(Run("so101", "cross_fade", 2, 314))
    assert found.chunks["splice"] and not found.unexplained


def test_fingers_do_not_open_into_what_an_arm_began_too_near_to() -> None:
    """An arm that begins where an open hand would touch may leave; its hand opened meanwhile, into the table (found by
    40 000 chunks)."""
    found = attack(Run("panda_four_finger", "cross_fade", 3, 203))
    assert not found.violations and found.reasons["FINGERS_CONFINED"]


def test_findings_do_not_depend_on_who_works_on_what() -> None:
    """A violation that cannot be repeated from its seed and index cannot be mended."""
    todo = runs(["panda_cell"], "replace", 3, 50)
    alone = attack(todo[1])
    together = attack_all(todo, 2, lambda findings: None)
    again = attack(todo[0])
    for run in todo[1:]:
        again += attack(run)
    assert again == together and again.ticks > alone.ticks


@pytest.mark.parametrize(("filter_name", "kind"), [("environment", "contact"), ("workspace", "workspace")])
def test_a_filter_that_is_missing_is_found_out(monkeypatch, filter_name: str, kind: str) -> None:
    """A campaign that finds nothing wrong with a blind executor is worth nothing."""
    fewer = tuple(step for step in filters.MOTION_FILTERS if step.__name__ != filter_name)
    monkeypatch.setattr(executor_module, "MOTION_FILTERS", fewer)
    found = attack(Run("panda_cell", "cross_fade", 0, 0))
    for index in range(1, 16):
        if not found.violations[kind]:
            found += attack(Run("panda_cell", "cross_fade", 0, index))
    assert found.violations[kind] > 0
