"""The contract between a checkpoint and a robot: each mismatch, and the words a user reads."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from wam_core.cli.checks import CHECKS
from wam_core.data.statistics import column_statistics
from wam_core.errors import ContractError
from wam_core.robot.binding import check_binding, check_statistics, differences
from wam_core.robot.contract import RobotContract
from wam_core.robot.distortion import Distortion
from wam_core.robot.robot_file import load_robot

ROBOT = load_robot("panda_cell")
FRONT, SIDE, WRIST = ROBOT.cameras
AS = ", as the checkpoint was trained with"
assert ROBOT.gripper is not None
#: Of its cameras only the pictures were known.
UNCALIBRATED = replace(ROBOT, cameras=tuple(replace(camera, lens=None) for camera in ROBOT.cameras))
BENT = replace(FRONT, distortion=Distortion("equidistant", (0.1, 0.0, 0.0, 0.0)))

#: Another robot -> what is said about it.
MISMATCHES: Mapping[str, tuple[RobotContract, str]] = {
    "name": (replace(ROBOT, name="other"), f"robot.name: got 'other', expected 'panda_cell'{AS}"),
    "description": (
        replace(ROBOT, urdf="urdf/other.urdf"),
        f"robot.urdf: got 'urdf/other.urdf', expected 'urdf/panda_cell.urdf'{AS}",
    ),
    "base": (replace(ROBOT, base_frame="world"), f"robot.base_frame: got 'world', expected 'panda_link0'{AS}"),
    "gripper range": (
        replace(ROBOT, gripper=replace(ROBOT.gripper, open=0.08)),
        f"robot.gripper.open: got [0.08], expected [0.04]{AS}",
    ),
    "no gripper": (
        replace(ROBOT, gripper=None),
        f"robot.joints: got {[*ROBOT.joints]}, expected {[*ROBOT.joint_names]}{AS}",
    ),
    "camera order": (
        replace(ROBOT, cameras=(WRIST, SIDE, FRONT)),
        f"robot.cameras: got ['wrist', 'side', 'front'], expected ['front', 'side', 'wrist'] in this order{AS}",
    ),
    "camera count": (
        replace(ROBOT, cameras=(FRONT, WRIST)),
        f"robot.cameras: got ['front', 'wrist'], expected ['front', 'side', 'wrist'] in this order{AS}",
    ),
    "camera name": (
        replace(ROBOT, cameras=(FRONT, SIDE, replace(WRIST, name="hand"))),
        f"robot.cameras: got ['front', 'side', 'hand'], expected ['front', 'side', 'wrist'] in this order{AS}",
    ),
    "camera size": (
        replace(ROBOT, cameras=(replace(FRONT, width=640, height=480), SIDE, WRIST)),
        f"robot.cameras.front: got '640x480 pixels', expected 128x128 pixels{AS}",
    ),
    "camera undistorted": (
        replace(ROBOT, cameras=(BENT, SIDE, WRIST)),
        "robot.cameras.front.distortion: got Distortion(model='equidistant', coefficients=(0.1, 0.0, 0.0, 0.0), "
        f"camera_info=''), expected none: pictures as they are sent{AS}",
    ),
    "action names": (
        replace(ROBOT, action=replace(ROBOT.action, names=("y", "x", *ROBOT.action.names[2:]))),
        f"robot.action.names: got ['y', 'x', 'z', 'rx', 'ry', 'rz', 'gripper'], expected {[*ROBOT.action.names]}{AS}",
    ),
    "action space": (
        replace(ROBOT, action=replace(ROBOT.action, space="joint_position")),
        f"robot.action.space: got 'joint_position', expected 'ee_pose'{AS}",
    ),
    "action rate": (
        replace(ROBOT, rates=replace(ROBOT.rates, action_hz=20.0)),
        f"robot.rates.action_hz: got 20.0, expected 10.0{AS}",
    ),
    "proprioception": (
        replace(ROBOT, proprioception=("x",)),
        f"robot.proprioception: got ['x'], expected {[*ROBOT.proprioception]}{AS}",
    ),
    "tool": (
        replace(ROBOT, tool_reference_rpy=np.zeros(3)),
        f"robot.tool_reference_rpy: got [0.0, 0.0, 0.0], expected [3.141592653589793, 0.0, 0.0]{AS}",
    ),
}


@pytest.mark.parametrize("case", MISMATCHES)
def test_every_mismatch_is_refused_in_these_words(case: str) -> None:
    """A gripper that opens twice as wide, or a base turned by 90 degrees, moved as if nothing were different."""
    robot, said = MISMATCHES[case]
    trained = UNCALIBRATED if case == "camera undistorted" else ROBOT
    with pytest.raises(ContractError) as refused:
        check_binding(trained, robot)
    assert str(refused.value) == said


def test_what_the_model_does_not_feel_is_no_mismatch() -> None:
    """Topics, gains and limits are the robot's own business: a clean robot was refused for a renamed topic."""
    own = replace(
        ROBOT,
        home=np.zeros(7),
        topics=replace(ROBOT.topics, wrench="/ft"),
        cameras=tuple(replace(c, topic=f"/usb/{c.name}") for c in ROBOT.cameras),
        limits=replace(ROBOT.limits, velocity=ROBOT.limits.velocity / 2),
    )
    assert not list(differences(ROBOT, own))


def test_pictures_that_are_made_straight_are_as_good_as_straight_ones() -> None:
    """A camera was changed for one of the same K behind another glass, and its model had to be trained again."""
    for one, other in ((ROBOT, replace(ROBOT, cameras=(BENT, SIDE, WRIST))), (UNCALIBRATED, UNCALIBRATED)):
        assert not list(differences(one, other)) and not list(differences(other, one))


def test_all_differences_are_listed_at_once() -> None:
    """A user corrected one field after the other, a start of the robot each."""
    robot = replace(ROBOT, name="mine", cameras=(replace(FRONT, width=640), SIDE), base_frame="world")
    fields = [error.field for error in differences(ROBOT, robot)]
    assert fields == ["robot.name", "robot.base_frame", "robot.cameras", "robot.cameras.front"]


def test_statistics_of_every_column_are_asked_for() -> None:
    """A checkpoint of horizon 8 ran in a preset of horizon 16, its last steps normalised by nothing."""
    names = ("x@0", "gripper@0", "x@1", "gripper@1")
    wanted = {"action": names, "proprioception": ("x",)}

    def tables(**columns: tuple[str, ...]) -> dict[str, object]:
        return {k: column_statistics(v, np.random.default_rng(0).normal(size=(9, len(v)))) for k, v in columns.items()}

    check_statistics(tables(action=names, proprioception=("x",)), wanted)  # type: ignore[arg-type]
    for given, said in (
        ({"action": names}, "statistics.proprioception: got ['action'], expected statistics of proprioception"),
        ({"action": names[:2]}, "statistics.action.x@1: got None, expected statistics of this column"),
        ({"action": ("gripper@0", "x@0", *names[2:])}, "statistics.action: got 'gripper@0', expected 'x@0' at place 0"),
        ({"action": (*names, "x@2")}, "statistics.action: got 'x@2', expected the 4 columns of the model only"),
    ):
        with pytest.raises(ContractError) as refused:
            check_statistics(tables(**given), wanted)  # type: ignore[arg-type]
        assert str(refused.value) == said


def test_the_doctor_lists_every_difference_before_the_robot_moves(tmp_path: Path) -> None:
    """The first mismatch showed when the arm was already under power, the second after it was corrected."""
    file = tmp_path / "mine.yaml"
    mine = replace(ROBOT, base_frame="world", cameras=(replace(FRONT, width=640, height=480), SIDE, WRIST))
    file.write_text(yaml.safe_dump(mine.to_dict()))
    finding = CHECKS["contract"]("fast_wam", str(file))
    assert finding.status == "missing"
    assert finding.detail.split("; ") == [str(error) for error in differences(ROBOT, mine)]
    assert "base_frame" in finding.detail and "cameras.front" in finding.detail
    assert CHECKS["contract"]("fast_wam", "panda_cell").status == "ok"
