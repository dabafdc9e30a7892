"""The arm's URDF: one file that MuJoCo, Pinocchio and the robot contract must read alike."""

import xml.etree.ElementTree as ET

import mujoco
import numpy as np
import pinocchio as pin
import pytest

from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract, load_robot


@pytest.fixture(scope="module")
def robot() -> RobotContract:
    return load_robot("panda_cell")


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
        np.testing.assert_array_equal([float(joint[attribute]) for joint in arm], expected)
    finger = limits[robot.gripper.joint]
    gripper = (robot.gripper.closed, robot.gripper.open, robot.gripper.velocity, robot.gripper.force)
    assert tuple(float(finger[a]) for a in ("lower", "upper", "velocity", "effort")) == gripper


def test_home_points_the_tool_down(robot: RobotContract) -> None:
    """Prevents a tool frame that is turned, or sits elsewhere than flange + hand + 0.1034 m."""
    model = pin.buildModelFromUrdf(str(share_path(robot.urdf)))
    data = model.createData()
    posture = np.concatenate([robot.home, [0.0, 0.0]])
    pin.framesForwardKinematics(model, data, posture)
    tool = data.oMf[model.getFrameId(robot.tool_frame)]
    reference = pin.rpy.rpyToMatrix(*robot.tool_reference_rpy)
    np.testing.assert_allclose(tool.rotation, reference, atol=1e-3)
    flange = data.oMf[model.getFrameId("panda_link8")]
    np.testing.assert_allclose(flange.actInv(tool).translation, [0.0, 0.0, 0.1034], atol=1e-12)
    assert np.all(tool.translation > robot.workspace.lower) and np.all(tool.translation < robot.workspace.upper)


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
    rng = np.random.default_rng(0)
    for _ in range(20):
        q = rng.uniform(np.append(robot.limits.lower, [0, 0]), np.append(robot.limits.upper, [0.04, 0.04]))
        v, a = rng.normal(size=(2, 9))
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
