"""What becomes of clean chunks, and whether it was called for, is told apart without asking the filters."""

from dataclasses import replace

import numpy as np
import pytest

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, Observation
from wam_core.evaluation import safety_clean
from wam_core.evaluation.clean_truth import due, overreaches, presses
from wam_core.evaluation.expert_policy import ExpertPolicy
from wam_core.evaluation.safety_clean import CleanRun, watch
from wam_core.robot.robot_file import load_robot

ROBOT = load_robot("panda_cell")
RUN = CleanRun("panda_cell", "cross_fade", "reach", 0)


def chunk(places: np.ndarray) -> ActionChunk:
    values = np.hstack([places, np.zeros((len(places), 4))])
    return ActionChunk(0, ROBOT.step_ns, ROBOT.step_ns, ROBOT.action.names, "ee_pose", values, 0)


def test_a_hand_is_said_to_press_when_its_sensors_feel_it() -> None:
    """An arm that pressed too hard and was rightly held would count against the executor; one that was held by a sensor
    that invents would not."""
    cell = Cell(ROBOT, "raycast")
    cell.reset("reach", 0)
    effort, agreed = np.zeros(len(ROBOT.joint_names)), {True: 0, False: 0}
    effort[1] = 25.0  # the shoulder falls forward, and the hand upon the table
    for _ in range(1500):
        cell.step(effort)
        state, limits = cell.robot_state(), ROBOT.safety.contact
        assert state.tactile is not None
        pressed = presses(ROBOT, cell.scene)
        assert pressed or state.tactile.max() <= limits.taxel
        agreed[pressed] += 1
    assert min(agreed.values()) > 10, agreed


def test_a_chunk_that_asks_for_too_much_is_told_from_one_that_does_not() -> None:
    """A clean chunk that is altered counts as wrong only if it asked for nothing beyond the file."""
    box, along = ROBOT.workspace, np.arange(1.0, 5.0)[:, None] * [1.0, 0.0, 0.0]
    here, step = 0.5 * (box.lower + box.upper), box.speed * ROBOT.step_ns * 1e-9
    assert not overreaches(ROBOT, chunk(here + 0.9 * step * along), here)
    assert overreaches(ROBOT, chunk(here + 1.1 * step * along), here)
    assert overreaches(ROBOT, chunk(here + 0.9 * step * along), here - [0.0, step, 0.0]), "a jump to begin with"
    assert overreaches(ROBOT, chunk(box.lower + [0.1, 0.1, -0.001] + 0.0 * along), box.lower + [0.1, 0.1, 0.01])


@pytest.mark.parametrize(
    ("codes", "pressed", "overreached", "expected"),
    [
        (["TAXEL_FORCE"], True, False, True),
        (["TAXEL_FORCE"], False, True, False),
        (["TOOL_SPEED", "DEMAND_SPEED"], False, True, True),
        (["TOOL_SPEED"], False, False, False),
        (["TAXEL_FORCE", "ENVIRONMENT"], True, True, False),
    ],
)
def test_every_reason_must_be_called_for(codes: list[str], pressed: bool, overreached: bool, expected: bool) -> None:
    """One good reason must not excuse another."""
    assert due(codes, pressed, overreached) is expected


def test_what_an_expert_sends_is_clean() -> None:
    """The false alarms of the executor are counted here: were it blind to them, any figure would do."""
    found = watch(RUN)
    assert found.chunks > 10 and found.succeeded == 1
    assert found.stopped == found.altered == found.due == 0


def test_a_chunk_that_asks_for_too_much_is_altered_and_that_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count that stayed at zero whatever the executor did would be no figure at all."""

    class Hasty(ExpertPolicy):
        def act(self, observation: Observation) -> ActionChunk:
            clean = super().act(observation)
            return replace(clean, values=clean.values + [0.0, 0.15 * (-1) ** clean.sequence, 0.0, 0.0, 0.0, 0.0, 0.0])

    monkeypatch.setattr(safety_clean, "ExpertPolicy", Hasty)
    found = watch(RUN)
    assert found.stopped + found.altered >= found.due > 10
