"""The robot file: what it may not say."""

import pytest

from wam_core.errors import ContractError
from wam_core.robot.contract import from_dict, load_robot

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
