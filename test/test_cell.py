"""The work cell as a robot: what it measures, how it repeats, what it refuses."""

from collections.abc import Iterator

import mujoco
import numpy as np
import pytest

from wam_core.cell.cell import Cell
from wam_core.cell.tasks import TASKS
from wam_core.errors import ContractError
from wam_core.robot.contract import RobotContract
from wam_core.robot.dynamics import Dynamics
from wam_core.robot.robot_file import load_robot
from wam_core.robot.tool_pose import decode_tool_pose


@pytest.fixture(scope="module")
def robot() -> RobotContract:
    return load_robot("panda_cell")


@pytest.fixture
def cell(robot: RobotContract) -> Iterator[Cell]:
    yield Cell(robot, renderer="raycast")


def hold(cell: Cell, seconds: float, grip: float = 0.0, target: np.ndarray | None = None) -> None:
    """Keep the arm at a joint posture with computed torque and the fingers under a force ``grip`` (N)."""
    dynamics = Dynamics(cell.robot)
    target = cell.robot_state().position[:-1] if target is None else target
    for _ in range(round(seconds * cell.robot.rates.control_hz)):
        state = cell.robot_state()
        q, v = state.position[:-1].copy(), state.velocity[:-1].copy()
        torque = dynamics.inverse_dynamics(q, v, 100.0 * (target - q) - 20.0 * v)
        cell.step(np.append(torque, grip))


def put_in_hand(cell: Cell, body: str) -> None:
    """Place a cube between the fingers and close them on it."""
    scene = cell.scene
    scene.place(body, scene.tool_position())
    mujoco.mj_forward(scene.model, scene.data)
    target = cell.robot_state().position[:-1]
    dofs = scene.model.jnt_dofadr[scene.model.body(body).jntadr[0]] + np.arange(6)
    # The cube must not fall before the fingers are on it.
    while cell.tool_pose()[6] > 0.52:
        scene.data.qvel[dofs] = 0.0
        scene.place(body, scene.tool_position())
        hold(cell, 0.002, grip=-10.0, target=target)
    hold(cell, 1.0, grip=-10.0, target=target)


@pytest.mark.parametrize("task", TASKS)
def test_a_seed_is_an_episode(robot: RobotContract, task: str) -> None:
    """Prevents episodes that depend on what ran before: same seed, same images and states; other seed, other ones."""
    first, second = Cell(robot, "raycast"), Cell(robot, "raycast")
    second.reset("push", 5)
    second.reset(task, 8)
    hold(second, 0.1)
    instruction = first.reset(task, 7)
    other = first.image("front")
    assert second.reset(task, 7) == instruction
    for camera in robot.cameras:
        np.testing.assert_array_equal(first.image(camera.name), second.image(camera.name))
    hold(first, 0.1)
    hold(second, 0.1)
    np.testing.assert_array_equal(first.robot_state().position, second.robot_state().position)
    first.reset(task, 8)
    assert np.abs(first.image("front").astype(int) - other).max() > 50


def test_time_never_turns_back(cell: Cell) -> None:
    """Prevents stamps that repeat after a reset, which every consumer would reject."""
    hold(cell, 0.01)
    before = cell.time_ns
    assert before == 5 * 2_000_000
    cell.reset("drawer", 1)
    assert cell.time_ns == before


def test_reset_is_quick(cell: Cell) -> None:
    """Prevents compiling the scene anew for every episode."""
    models = []
    for seed in range(3):
        cell.reset("pick_place", seed)
        models.append(cell.scene.model)
    assert models[0] is models[1] is models[2]


def test_state_has_the_contract_sizes(cell: Cell, robot: RobotContract) -> None:
    """Prevents a state whose order or length differs from what models and executor were told."""
    state = cell.robot_state()
    joints = len(robot.joint_names)
    assert state.position.shape == state.velocity.shape == (joints,)
    assert state.effort is not None and state.effort.shape == (joints,)
    assert state.wrench is not None and state.wrench.shape == (6,)
    assert state.tactile is not None and state.tactile.shape == (len(robot.tactile),)
    np.testing.assert_allclose(state.position[:-1], robot.home)
    assert state.position[-1] == robot.gripper.open
    for camera in robot.cameras:
        shape = (camera.height, camera.width)
        image, depth, labels = cell.image(camera.name), cell.depth(camera.name), cell.segmentation(camera.name)
        assert (image.shape, image.dtype) == ((*shape, 3), np.uint8)
        assert (depth.shape, depth.dtype) == (shape, np.float32)
        assert (labels.shape, labels.dtype) == (shape, np.int32)


def test_tool_pose_is_the_tool_frame(cell: Cell, robot: RobotContract) -> None:
    """Prevents a measured pose in another convention than the action's."""
    pose = cell.tool_pose()
    rotation, position, finger = decode_tool_pose(robot, pose)
    tool = cell.scene.data.body(robot.tool_frame)
    np.testing.assert_allclose(rotation, tool.xmat.reshape(3, 3), atol=1e-12)
    np.testing.assert_allclose(position, tool.xpos)
    np.testing.assert_allclose(finger, [robot.gripper.open])


def test_the_arm_obeys_rigid_body_dynamics(cell: Cell, robot: RobotContract) -> None:
    """Prevents armature, damping or friction on the arm that inverse dynamics cannot know."""
    cell.reset("reach", 0)
    model, data = cell.scene.model, cell.scene.data
    dynamics = Dynamics(robot)
    dofs = [int(model.joint(name).dofadr[0]) for name in robot.joints]
    spot = [int(model.joint(name).qposadr[0]) for name in robot.joints]
    data.qpos[[int(model.joint(f"panda_finger_joint{i}").qposadr[0]) for i in (1, 2)]] = 0.02
    rng = np.random.default_rng(0)
    for _ in range(10):
        q = robot.home + rng.uniform(-0.2, 0.2, len(dofs))
        v, a = rng.normal(size=(2, len(dofs)))
        data.qvel[:] = data.qacc[:] = 0.0
        data.qpos[spot], data.qvel[dofs], data.qacc[dofs] = q, v, a
        mujoco.mj_inverse(model, data)
        expected = dynamics.inverse_dynamics(q, v, a)
        np.testing.assert_allclose(data.qfrc_inverse[dofs], expected, atol=1e-6)


def test_gravity_torque_holds_the_arm(cell: Cell, robot: RobotContract) -> None:
    """Prevents a wrong sign or scale between commanded effort and simulated torque."""
    torque = Dynamics(robot).gravity(robot.home)
    for _ in range(250):
        cell.step(np.append(torque, 0.0))
    np.testing.assert_allclose(cell.robot_state().position[:-1], robot.home, atol=1e-4)


def test_efforts_saturate_at_the_limits(cell: Cell, robot: RobotContract) -> None:
    """Prevents a simulated drive that is stronger than the contract's."""
    cell.step(np.full(8, 1e4))
    effort = cell.robot_state().effort
    np.testing.assert_array_equal(effort, np.append(robot.limits.torque, robot.gripper.force))


def test_wrench_at_rest_is_zero_then_the_weight_of_what_is_held(cell: Cell) -> None:
    """Prevents a wrench with the gripper's own weight in it, in the wrong frame or of the wrong sign."""
    cell.reset("pick_place", 0)
    hold(cell, 1.0)
    wrench = cell.robot_state().wrench
    assert wrench is not None
    np.testing.assert_allclose(wrench, 0.0, atol=0.02)
    put_in_hand(cell, "cube_0")
    held, rotation = cell.robot_state().wrench, cell.scene.data.body(cell.robot.tool_frame).xmat.reshape(3, 3)
    assert held is not None
    weight = cell.scene.model.body("cube_0").mass[0] * 9.81
    np.testing.assert_allclose(rotation @ held[:3], [0.0, 0.0, -weight], atol=0.03)


def test_taxels_feel_a_grasp(cell: Cell) -> None:
    """Prevents dead taxels, and taxels that feel something when nothing is there."""
    cell.reset("pick_place", 0)
    hold(cell, 0.2)
    free = cell.robot_state().tactile
    assert free is not None and not free.any()
    put_in_hand(cell, "cube_0")
    touch = cell.robot_state().tactile
    assert touch is not None
    left, right = touch[:4].sum(), touch[4:].sum()
    # Half of the 10 N on the gripper joint acts on each finger.
    assert left == pytest.approx(5.0, abs=0.5) and right == pytest.approx(5.0, abs=0.5)


@pytest.mark.parametrize(
    ("effort", "field"),
    [(np.zeros(7), "effort"), (np.zeros((8, 1)), "effort"), (np.array([0.0] * 7 + [np.nan]), "effort[7]")],
)
def test_bad_efforts_are_refused(cell: Cell, effort: np.ndarray, field: str) -> None:
    """Prevents a NaN from spreading through the simulation."""
    with pytest.raises(ContractError) as error:
        cell.step(effort)
    assert error.value.field == field
    assert cell.time_ns == 0


def test_unknown_names_are_refused(cell: Cell) -> None:
    """Prevents a silent default for a mistyped task, camera or renderer."""
    with pytest.raises(ContractError, match="did you mean 'drawer'"):
        cell.reset("drawers", 0)
    with pytest.raises(ContractError, match="seed"):
        cell.reset("reach", -1)
    with pytest.raises(ContractError, match="wrist"):
        cell.image("wrists")
    with pytest.raises(ContractError, match="raycast"):
        Cell(cell.robot, "opengl")


def test_links_may_be_heavier_than_is_believed(robot: RobotContract) -> None:
    """A run with other masses whose arm was the one that the executor knows."""
    cell, heavy = Cell(robot, "raycast"), Cell(robot, "raycast", link_mass=1.3)
    torques = [c.scene.data.qfrc_bias[: len(robot.joints)] for c in (cell, heavy)]
    np.testing.assert_allclose(torques[1], 1.3 * torques[0], atol=1e-9)
    assert np.abs(torques[0]).max() > 10.0
