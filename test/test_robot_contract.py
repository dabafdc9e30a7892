"""The robot file: what it may not say."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from wam_core.contract import RobotState
from wam_core.errors import ContractError
from wam_core.executor.executor import Executor
from wam_core.paths import share_path
from wam_core.robot.binding import check_binding
from wam_core.robot.check import check_home
from wam_core.robot.kinematics import Kinematics, proprioception
from wam_core.robot.robot_file import from_dict, load_robot

ROBOT = load_robot("panda_cell")
TOOL = list(ROBOT.action.names)
JOINTS = [*ROBOT.joints, "gripper"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": {"space": "ee_pose", "names": ["y", "x", *TOOL[2:]]}}, "action.names"),
        ({"action": {"space": "ee_pose", "names": TOOL[:-1]}}, "action.names"),
        ({"action": {"space": "ee_pose", "names": JOINTS}}, "action.names"),
        ({"action": {"space": "joint_position", "names": TOOL}}, "action.names"),
        ({"action": {"space": "joint_position", "names": [*JOINTS[-2::-1], "gripper"]}}, "action.names"),
        ({"action": {"space": "ee_pose", "names": None}}, "action.names"),
        ({"proprioception": list(ROBOT.joints)}, "proprioception"),
        ({"proprioception": [*TOOL[:3], "rz", "ry", "rx", "gripper"]}, "proprioception"),
    ],
)
def test_columns_are_those_of_the_space(change: dict, field: str) -> None:
    """Columns are read by position: with x and y exchanged in the file the arm went to the exchanged place, and a tool
    pose was recorded under the names of joints."""
    with pytest.raises(ContractError, match=rf"mine\.{field}: .*in this order"):
        from_dict(ROBOT.to_dict() | change, "mine")


def test_both_spaces_load() -> None:
    """A check made for one space only would shut out the robots of the other."""
    action = {"space": "joint_position", "names": JOINTS}
    assert list(from_dict(ROBOT.to_dict() | {"action": action}).action.names) == JOINTS
    assert from_dict(ROBOT.to_dict()).to_dict() == ROBOT.to_dict()


def hand(**changes) -> dict:
    """Two finger joints, of which only the second opens."""
    fields = {"joints": ["spread", "curl"], "lower": [-0.4, 0.0], "upper": [0.4, 1.5], "closed": [0.1, 1.4]}
    fields |= {"open": [0.1, 0.2], "velocity": [2.0, 3.0], "force": [0.7, 0.7], "stiffness": [3.0, 3.0]}
    return fields | {"damping": [0.1, 0.1]} | changes


def carrying(**changes) -> dict:
    return ROBOT.to_dict() | {"gripper": None, "hand": hand()} | changes


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"gripper": ROBOT.to_dict()["gripper"], "hand": hand()}, "hand"),
        ({"gripper": ROBOT.to_dict()["gripper"] | {"open": 0.0}}, "gripper.open"),
        ({"gripper": None, "hand": hand(open=[0.5, 0.2])}, "hand.open"),
        ({"gripper": None, "hand": hand(open=[0.1, 1.4])}, "hand.open"),
        ({"gripper": None, "hand": hand(force=[0.7])}, "hand.force"),
        ({"gripper": None}, "action.names"),
        ({"command": "torque"}, "command"),
        ({"drive": {"viscous": [0.0] * 7, "coulomb": [-0.1] * 7, "inertia": [0.0] * 7}}, "drive.coulomb"),
        ({"payload": {"mass": 0.5, "centre": [0.0, 0.0]}}, "payload.centre"),
    ],
)
def test_what_an_arm_carries_and_takes_is_checked(change: dict, field: str) -> None:
    """A hand whose open posture is beyond its limits would be driven against its stops at the first chunk."""
    with pytest.raises(ContractError, match=rf"mine\.{field}"):
        from_dict(ROBOT.to_dict() | change, "mine")


def test_one_opening_moves_what_the_arm_carries() -> None:
    """A joint that does not open must not count: its span is zero, and an opening of infinity would stop the arm."""
    robot = from_dict(carrying())
    assert robot.joint_names == (*ROBOT.joints, "spread", "curl")
    np.testing.assert_allclose(robot.fingers.posture(0.25), [0.1, 1.1])
    np.testing.assert_allclose(robot.fingers.opening(np.array([0.3, 1.1])), [0.25])
    assert from_dict(robot.to_dict()).to_dict() == robot.to_dict()


def test_an_arm_that_carries_nothing_has_no_gripper_column() -> None:
    """A column that moves nothing would be a number that somebody made up."""
    bare = {"gripper": None, "action": {"space": "ee_pose", "names": TOOL[:-1]}, "proprioception": TOOL[:-1]}
    robot = from_dict(ROBOT.to_dict() | bare)
    assert robot.joint_names == ROBOT.joints
    pose = proprioception(Kinematics(robot), RobotState(0, robot.home, np.zeros(7)))
    assert pose.shape == (6,)


def test_files_older_than_these_fields_mean_what_they_meant() -> None:
    """Checkpoints and recordings embed their contract: refused, or read with another gripper, they would be lost."""
    old = yaml.safe_load((share_path("checkpoints/fast_wam") / "robot.yaml").read_text())
    for field in ("hand", "command", "drive", "payload"):
        old.pop(field, None)
    robot = from_dict(old)
    check_binding(robot, ROBOT)
    assert (robot.command, robot.fingers.joints) == ("effort", ("panda_finger_joint1",))
    assert (robot.gripper.stiffness, robot.gripper.damping) == (1000.0, 10.0)


def test_an_arm_whose_urdf_does_not_fit_is_found_out_before_it_moves() -> None:
    """A joint misspelt, a home out of reach or a box that leaves it out would show as a node that dies, or an arm that
    never moves."""
    raw = load_robot("ur5e").to_dict()
    assert check_home(from_dict(raw)) == pytest.approx([0.383, 0.0, 0.389], abs=2e-3)
    for wrong, named in (
        ({"joints": [*raw["joints"][:-1], "wrist_3"]}, "robot.joints"),
        ({"tool_frame": "tcp"}, "robot.tool_frame"),
        ({"home": [*raw["home"][:-1], 7.0]}, r"robot.home\[wrist_3_joint\]"),
        ({"workspace": raw["workspace"] | {"lower": [0.2, -0.5, 0.4]}}, "z of the tool at home"),
    ):
        with pytest.raises(ContractError, match=named):
            check_home(from_dict(raw | wrong))


def test_a_urdf_anywhere_and_an_arm_that_carries_nothing_can_be_guarded(tmp_path: Path) -> None:
    """The first arm of somebody's own: no fingers, its URDF not among ours."""
    urdf = tmp_path / "bare.urdf"
    text = share_path("urdf/so101.urdf").read_text()
    urdf.write_text(text.replace('<joint name="gripper" type="revolute">', '<joint name="gripper" type="fixed">'))
    bare = {"gripper": None, "action": {"space": "ee_pose", "names": TOOL[:-1]}, "proprioception": TOOL[:-1]}
    robot = from_dict(load_robot("so101").to_dict() | bare | {"urdf": str(urdf)})
    executor = Executor(robot)
    executor.reset(RobotState(0, robot.home, np.zeros(5)))
    np.testing.assert_allclose(executor.tick(RobotState(0, robot.home, np.zeros(5)), 0).position, robot.home)
