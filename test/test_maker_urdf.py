"""A maker's URDF: meshes and joints without ends, as they come, and what wam makes of them."""

from dataclasses import replace
from pathlib import Path

import coal
import numpy as np
import pinocchio as pin
import pytest

from wam_core.cli.main import run
from wam_core.errors import ContractError
from wam_core.paths import share_path
from wam_core.robot.check import check_home
from wam_core.robot.kinematics import Kinematics
from wam_core.robot.robot_file import load_robot

ROBOT = load_robot("ur5e")
#: Corners of a link that stands 4 x 2 x 10 cm, off its frame by 1 cm along x.
LOW, HIGH = np.array([-0.01, -0.01, 0.0]), np.array([0.03, 0.01, 0.1])


def stl(path: Path) -> None:
    """A binary STL of two triangles that reach all corners' extremes."""
    triangles = np.zeros(2, [("normal", "<f4", 3), ("points", "<f4", (3, 3)), ("attribute", "<u2")])
    triangles["points"][0] = [LOW, HIGH, (HIGH[0], LOW[1], LOW[2])]
    triangles["points"][1] = [LOW, HIGH, (LOW[0], HIGH[1], HIGH[2])]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(80) + np.uint32(2).tobytes() + triangles.tobytes())


@pytest.fixture
def maker(tmp_path: Path) -> Path:
    """The UR5e with a mesh for its upper arm, and a first joint that turns without end."""
    text = share_path(ROBOT.urdf).read_text()
    mesh = '<collision><origin xyz="0 0 0.2" rpy="0 1.5707963267948966 0"/><geometry>'
    mesh += '<mesh filename="package://maker/arm.stl" scale="2 2 2"/></geometry></collision>'
    at = text.index('<link name="upper_arm_link">') + len('<link name="upper_arm_link">')
    text = text[:at] + mesh + text[at:]
    first = text.index(f'<joint name="{ROBOT.joints[0]}" type="revolute">')
    text = text[:first] + text[first:].replace('type="revolute"', 'type="continuous"', 1)
    stl(tmp_path / "packages" / "maker" / "arm.stl")
    (tmp_path / "maker.urdf").write_text(text)
    return tmp_path / "maker.urdf"


def test_what_stands_in_the_way_is_said_before_anything_moves(maker: Path, tmp_path: Path) -> None:
    """Prevents: an afternoon with Pinocchio's "expected 11, got 7"; a doctor who is content where the executor dies."""
    with pytest.raises(ContractError, match="shoulder_pan_joint.*continuous"):
        Kinematics(replace(ROBOT, urdf=str(maker)))
    ended = tmp_path / "ended.urdf"
    ended.write_text(maker.read_text().replace('type="continuous"', 'type="revolute"'))
    with pytest.raises(ContractError, match=r"1 meshes.*arm\.stl.*wam urdf"):
        check_home(replace(ROBOT, urdf=str(ended)))


def test_a_mesh_becomes_the_box_around_it_and_a_joint_gets_ends(maker: Path, tmp_path: Path) -> None:
    """Prevents: a box at the wrong end of the link, of the wrong size, or turned otherwise than its mesh."""
    out = tmp_path / "made.urdf"
    words = [str(maker), "--packages", str(tmp_path / "packages"), "--out", str(out)]
    assert run("urdf", words) == 0
    robot = replace(ROBOT, urdf=str(out))
    assert np.allclose(check_home(robot), check_home(ROBOT), atol=1e-9)
    model = pin.buildModelFromUrdf(str(out))
    shapes = pin.buildGeomFromUrdf(model, str(out), pin.GeometryType.COLLISION).geometryObjects
    boxes = [shape for shape in shapes if isinstance(shape.geometry, coal.Box)]
    (box,) = [shape for shape in boxes if np.allclose(shape.geometry.halfSide, HIGH - LOW, atol=1e-5)]
    # The mesh's z points along the link's x, its x against the link's z.
    link = model.frames[box.parentFrame].placement
    middle = link.actInv(box.placement).translation
    assert np.allclose(middle, (0.1, 0.0, 0.2 - 0.02), atol=1e-5)
    with pytest.raises(ContractError, match="packages"):
        run("urdf", [str(maker), "--packages", str(tmp_path / "elsewhere"), "--out", str(out)])
