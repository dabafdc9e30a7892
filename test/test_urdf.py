"""The arms' URDFs: files that MuJoCo, Pinocchio and the robot contract must read alike."""

import xml.etree.ElementTree as ET

import mujoco
import numpy as np
import pinocchio as pin
import pytest
from arms import ARMS

from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics
from wam_core.robot.robot_file import load_robot


@pytest.fixture(scope="module", params=ARMS)
def robot(request) -> RobotContract:
    return load_robot(request.param)


@pytest.fixture(scope="module")
def root(robot: RobotContract) -> ET.Element:
    return ET.parse(share_path(robot.urdf)).getroot()


def test_limits_are_those_of_the_contract(robot: RobotContract, root: ET.Element) -> None:
    """Prevents an executor that respects one set of limits on an arm that has another."""
    limits = {j.get("name"): j.find("limit").attrib for j in root.iter("joint") if j.find("limit") is not None}
    arm = [limits[name] for name in robot.joints]
    for attribute, expected in (
        ("lower", robot.limits.lower),
        ("upper", robot.limits.upper),
        ("velocity", robot.limits.velocity),
        ("effort", robot.limits.torque),
    ):
        np.testing.assert_allclose([float(joint[attribute]) for joint in arm], expected, rtol=1e-9)
    fingers = [limits[name] for name in robot.fingers.joints]
    for attribute, expected in (("velocity", robot.fingers.velocity), ("effort", robot.fingers.force)):
        np.testing.assert_array_equal([float(joint[attribute]) for joint in fingers], expected)
    assert np.all([float(joint["lower"]) for joint in fingers] <= robot.fingers.lower)
    assert np.all([float(joint["upper"]) for joint in fingers] >= robot.fingers.upper)


def test_home_points_the_tool_down(robot: RobotContract) -> None:
    """Prevents a tool frame that is turned, and a home from which nothing is reached: chunks of one arm mean the same
    to another because tool frames agree."""
    rotation, position = Kinematics(robot).tool(robot.home)
    np.testing.assert_allclose(rotation, pin.rpy.rpyToMatrix(*robot.tool_reference_rpy), atol=1e-3)
    assert np.all(position > robot.workspace.lower) and np.all(position < robot.workspace.upper)
    assert np.all(robot.home > robot.limits.lower) and np.all(robot.home < robot.limits.upper)


def test_the_tool_of_the_cell_is_between_its_fingertips() -> None:
    """Prevents a tool frame that sits elsewhere than flange + hand + 0.1034 m."""
    model = pin.buildModelFromUrdf(str(share_path(load_robot("panda_cell").urdf)))
    data = model.createData()
    pin.framesForwardKinematics(model, data, pin.neutral(model))
    flange, tool = (data.oMf[model.getFrameId(name)] for name in ("panda_link8", "panda_tool"))
    np.testing.assert_allclose(flange.actInv(tool).translation, [0.0, 0.0, 0.1034], atol=1e-12)


def test_closed_fingers_meet_and_open_ones_do_not() -> None:
    """Prevents an opening that runs the wrong way, and a hand whose thumb misses its fingers."""
    robot = load_robot("panda_four_finger")
    model = pin.buildModelFromUrdf(str(share_path(robot.urdf)))
    data, gaps = model.createData(), []
    for opening in (0.0, 1.0):
        posture = np.concatenate([robot.home, robot.fingers.posture(opening)])
        pin.framesForwardKinematics(model, data, posture)
        thumb, middle = (data.oMf[model.getFrameId(name)].translation for name in ("thumb_tip", "middle_tip"))
        gaps.append(np.linalg.norm(thumb - middle))
    assert gaps[0] < 0.03 < 0.10 < gaps[1]


def test_mujoco_and_pinocchio_agree(robot: RobotContract) -> None:
    """Prevents joint friction, armature or a frame convention that only one of the two libraries knows."""
    path = str(share_path(robot.urdf))
    spec = mujoco.MjSpec.from_file(path)
    spec.compiler.fusestatic = False
    model = spec.compile()
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    data = mujoco.MjData(model)
    reference = pin.buildModelFromUrdf(path)
    reference_data = reference.createData()
    assert [model.joint(i).name for i in range(model.njnt)] == list(reference.names)[1:]
    rng = np.random.default_rng(0)
    for _ in range(20):
        q = rng.uniform(reference.lowerPositionLimit, reference.upperPositionLimit)
        v, a = rng.normal(size=(2, reference.nv))
        data.qpos[:], data.qvel[:], data.qacc[:] = q, v, a
        mujoco.mj_inverse(model, data)
        np.testing.assert_allclose(data.qfrc_inverse, pin.rnea(reference, reference_data, q, v, a), atol=1e-9)
        pin.framesForwardKinematics(reference, reference_data, q)
        tool = reference_data.oMf[reference.getFrameId(robot.tool_frame)]
        np.testing.assert_allclose(data.body(robot.tool_frame).xpos, tool.translation, atol=1e-12)


def test_inertias_are_physical(root: ET.Element) -> None:
    """Prevents a mistyped inertia that no rigid body can have (positive, triangle inequality)."""
    for inertia in root.iter("inertia"):
        value = {k: float(v) for k, v in inertia.attrib.items()}
        matrix = np.array(
            [
                [value["ixx"], value["ixy"], value["ixz"]],
                [value["ixy"], value["iyy"], value["iyz"]],
                [value["ixz"], value["iyz"], value["izz"]],
            ]
        )
        low, middle, high = np.linalg.eigvalsh(matrix)
        assert low > 0 and low + middle >= high * (1 - 1e-6)


def test_shapes_are_primitive(root: ET.Element) -> None:
    """Prevents a mesh: the file must show and collide everywhere without other files."""
    shapes = {shape.tag for geometry in root.iter("geometry") for shape in geometry}
    assert shapes <= {"box", "cylinder", "sphere"}
