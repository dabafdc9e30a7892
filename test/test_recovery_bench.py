"""`wam bench recovery`: recoveries on the true futures of the experts."""

import pytest

from wam_core.errors import ContractError
from wam_core.evaluation.recoveries import measure, readings
from wam_core.recovery.table import RECOVERIES
from wam_core.robot.robot_file import load_robot

ROBOT = load_robot("panda_cell")


def test_every_recovery_is_tried() -> None:
    """A recovery of which nobody knew how well it recovers."""
    assert {reading.recovery.kind for reading in readings().values()} == set(RECOVERIES)
    with pytest.raises(ContractError, match="did you mean 'heatmap'"):
        measure(ROBOT, ["heat_map"], ["reach"], range(1), "auto")


@pytest.mark.slow
def test_what_is_recovered_is_held_against_where_the_tool_went() -> None:
    """The motion was compared with that of another instant, or with where the tool had been told to go."""
    heat, points = measure(ROBOT, ["heatmap", "jacobian"], ["reach"], range(1), "auto")
    assert heat.futures == points.futures > 0 and heat.moved > 50.0
    assert heat.miss < 6.0 and heat.turn < 1.0 and points.miss < 20.0
    assert heat.miss_interval[0] <= heat.miss <= heat.miss_interval[1]
