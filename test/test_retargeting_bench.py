"""`wam bench retarget`: the figures must be of the arm, not of the reference."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from wam_core.evaluation.retargeting import match
from wam_core.robot.robot_file import load_robot

PANDA = load_robot("panda_cell")
RAMP = 0.5 * (1.0 - np.cos(np.linspace(0.0, np.pi, 25)))[:, None]


def course(swing: list[float]) -> np.ndarray:
    """``[25, 8]``: from home to ``swing [7]`` rad away, the gripper half open."""
    return np.hstack([PANDA.home + RAMP * np.array(swing), np.full((25, 1), 0.5)])


@pytest.mark.parametrize(("name", "scale"), [("ur5e", 1.0), ("so101", 0.424)])
def test_free_motion_is_matched(name: str, scale: float) -> None:
    """Another scale or another instant than the executor's would show as an error of the arm."""
    found = match(name, [course([0.2, 0.1, -0.1, 0.1, 0.0, 0.1, 0.0])])
    assert found.scale == pytest.approx(scale, abs=0.001)
    assert np.max(found.millimetres) < 3.0


def test_motion_out_of_reach_is_told() -> None:
    """Errors against the executor's own reference would be small for any arm."""
    found = match("so101", [course([0.0, 1.1, 0.0, 0.3, 0.0, 0.0, 0.0])])
    assert found.millimetres.max() > 30.0 and found.reasons


def test_a_servo_with_damping_does_not_lag(tmp_path: Path) -> None:
    """Damping that resists the motion itself held a servo back by damping / stiffness, tens of milliseconds."""
    file = tmp_path / "servo.yaml"
    file.write_text(yaml.safe_dump(load_robot("ur5e").to_dict() | {"command": "position"}))
    assert match(str(file), [course([0.2, 0.1, -0.1, 0.1, 0.0, 0.1, 0.0])]).millimetres.max() < 3.0
