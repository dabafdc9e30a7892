"""From any action space, from another arm and from a hand to this arm."""

import numpy as np
import pinocchio as pin
import pytest
from arms import ARMS, Loop
from executor_harness import ROBOT, Rig, chunk
from human_hand import right_hand
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from wam_core.contract import ActionChunk, FloatArray
from wam_core.errors import ContractError
from wam_core.executor.executor import Executor
from wam_core.executor.hand import HandFit
from wam_core.executor.resolve import Anchor, Body, Resolver, reach_scale, rigid_rotations
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.contract import column_names
from wam_core.robot.robot_file import load_robot

BODIES = {name: Body(load_robot(name)) for name in ARMS}
DOWN = pin.rpy.rpyToMatrix(np.pi, 0.0, 0.0)
STEP_S = ROBOT.step_ns * 1e-9


def resolved(name: str, space: str, values: FloatArray, anchor: Anchor) -> FloatArray:
    """Rows of the resolved chunk."""
    robot = BODIES[name].robot
    made = ActionChunk(0, ROBOT.step_ns, ROBOT.step_ns, (), space, np.asarray(values), 0)
    return Resolver(robot, {})(made, anchor).values


def walk(name: str, seed: int, steps: int = 6) -> tuple[Anchor, FloatArray, FloatArray]:
    """An anchor near home, joint positions ``[steps, J]`` that go on from it, and openings."""
    robot, rng = BODIES[name].robot, np.random.default_rng(seed)
    q = np.clip(
        robot.home + rng.uniform(-0.2, 0.2, len(robot.home)), robot.limits.lower + 0.4, robot.limits.upper - 0.4
    )
    course = q + np.cumsum(rng.uniform(-0.05, 0.05, (steps, len(q))), axis=0)
    return Anchor(q, robot.fingers.posture(0.3)), course, rng.uniform(0.0, 1.0, (steps, 1))


@pytest.mark.parametrize("name", ARMS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_relative_joint_spaces_add_up_to_positions(name: str, seed: int) -> None:
    """Summed from the wrong place, or a rate not multiplied by the step, an arm drifts away chunk by chunk."""
    anchor, course, opening = walk(name, seed)
    steps = np.diff(np.vstack([anchor.q, course]), axis=0)
    wanted = np.hstack([course, [BODIES[name].robot.fingers.posture(float(o[0])) for o in opening]])
    for space, values in (("joint_delta", steps), ("joint_velocity", steps / STEP_S), ("joint_position", course)):
        np.testing.assert_allclose(resolved(name, space, np.hstack([values, opening]), anchor), wanted, atol=1e-9)


@pytest.mark.parametrize("name", ARMS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_relative_tool_spaces_add_up_to_poses(name: str, seed: int) -> None:
    """Deltas taken along the axes of the wrong frame turn the motion with the hand, or do not when they should."""
    body = BODIES[name]
    anchor, course, opening = walk(name, seed)
    poses = body.poses(np.vstack([anchor.q, course]))
    way, turn = np.diff(poses.position, axis=0), poses.rotation[1:] @ np.swapaxes(poses.rotation[:-1], 1, 2)
    inside = np.swapaxes(poses.rotation[:-1], 1, 2)
    base = np.hstack([way, Rotation.from_matrix(turn).as_rotvec(), opening])
    along = np.einsum("hij,hj->hi", inside, way)
    tool = np.hstack([along, Rotation.from_matrix(inside @ poses.rotation[1:]).as_rotvec(), opening])
    for space, values in (("ee_delta", base), ("ee_delta_tool", tool)):
        found = body.decode(resolved(name, space, values, anchor)[:, :6])
        np.testing.assert_allclose(found.position, poses.position[1:], atol=1e-9)
        np.testing.assert_allclose(found.rotation, poses.rotation[1:], atol=1e-9)


@pytest.mark.parametrize("space", ["tool_pose", "object_points"])
def test_what_is_held_moves_as_asked(space: str) -> None:
    """The object, not the tool, is to be where the chunk says: turned about the tool instead, it would swing."""
    body, rng = BODIES["ur5e"], np.random.default_rng(1)
    anchor, _, _ = walk("ur5e", 2)
    rotations = Rotation.from_rotvec(np.cumsum(rng.uniform(-0.1, 0.1, (5, 3)), axis=0)).as_matrix()
    positions = np.array([0.5, 0.1, 0.2]) + np.cumsum(rng.uniform(-0.03, 0.03, (5, 3)), axis=0)
    shape = rng.uniform(-0.05, 0.05, (7, 3))
    rows = np.hstack([positions, Rotation.from_matrix(rotations).as_rotvec()])
    if space == "object_points":
        rows = (positions[:, None] + np.einsum("hij,nj->hni", rotations, shape)).reshape(5, -1)
    found = resolved("ur5e", space, rows, anchor)
    poses = body.decode(found[:, :6])
    start = body.kinematics.tool(anchor.q)
    np.testing.assert_allclose(poses.position[0], start[1], atol=1e-9)
    held = np.swapaxes(poses.rotation, 1, 2) @ rotations
    np.testing.assert_allclose(held, np.tile(held[0], (5, 1, 1)), atol=1e-9)
    lever = np.einsum("hji,hj->hi", poses.rotation, positions - poses.position)
    np.testing.assert_allclose(lever, np.tile(lever[0], (5, 1)), atol=1e-9)
    np.testing.assert_array_equal(found[:, 6:], np.tile(anchor.fingers, (5, 1)))


def test_a_rigid_fit_is_a_rotation_and_needs_an_area() -> None:
    """A mirrored fit of noisy, nearly flat points would turn the hand over; points on a line leave a turn open."""
    rng = np.random.default_rng(0)
    flat = rng.uniform(-0.05, 0.05, (6, 3)) * (1.0, 1.0, 1e-4)
    noisy = np.stack([flat, flat + rng.normal(0.0, 1e-3, flat.shape)])
    turns = rigid_rotations(noisy - noisy.mean(axis=1, keepdims=True))
    np.testing.assert_allclose(np.linalg.det(turns), 1.0)
    assert np.linalg.norm(pin.log3(turns[1])) < 0.1
    line = np.linspace(-0.05, 0.05, 4)[:, None] * (1.0, 2.0, 0.5)
    with pytest.raises(ContractError, match="not on one line"):
        rigid_rotations(np.stack([line, line]))


def test_a_late_delta_counts_from_where_the_arm_was_seen() -> None:
    """Counted from where the arm has got to meanwhile, every late chunk would add its delay to the motion."""
    rig = Rig()
    rig.tick()
    values = np.zeros((8, 7))
    values[:, 1], values[:, 6] = 0.01, 0.5
    rig.send(values, space="ee_delta")
    start, seen = rig.tool(rig.commands[-1])[1], rig.now_ns
    rig.tick(200)
    assert rig.send(values, stamp_ns=seen + 100_000_000, space="ee_delta").accepted
    rig.tick(400)
    assert rig.tool(rig.commands[-1])[1] == pytest.approx(start + 0.09, abs=0.003)


@pytest.mark.parametrize(
    ("space", "robot", "value", "reason"),
    [
        ("ee_pose", "nobody", 0.0, "ROBOT"),
        ("joint_delta", "ur5e", 0.0, "SPACE"),
        ("ee_delta", "", 0.3, "OUT_OF_RANGE"),
        ("joint_velocity", "", 6.0, "OUT_OF_RANGE"),
        ("joint_delta", "", 0.6, "OUT_OF_RANGE"),
        ("tool_pose", "", 4.0, "OUT_OF_RANGE"),
        ("object_points", "", 0.1, "DEGENERATE"),
        ("hand_keypoints", "", 0.1, "DEGENERATE"),
        ("hand_keypoints", "", 3.0, "OUT_OF_RANGE"),
        ("joint_velocity", "", np.nan, "NOT_FINITE"),
    ],
)
def test_what_cannot_be_followed_is_refused(space: str, robot: str, value: float, reason: str) -> None:
    """A space of fewer checks than the others would be the way past all of them."""
    rig = Rig(ExecutorSettings(others=("ur5e",)))
    rig.tick()
    names = column_names(space, (load_robot(robot) if robot == "ur5e" else ROBOT).joints)
    result = rig.send(np.full((2, len(names)), value), space=space, names=names, robot=robot)
    assert (result.accepted, result.reason) == (False, reason)


@pytest.mark.parametrize("space", ["object_points", "hand_keypoints", "tool_pose", "joint_velocity"])
def test_columns_in_another_order_are_refused(space: str) -> None:
    """Columns are read by position: the thumb's points in the place of the ring finger's would move the hand."""
    rig = Rig()
    rig.tick()
    names = column_names(space, ROBOT.joints)
    assert rig.send(np.zeros((2, len(names))), space=space, names=names[::-1]).reason == "NAMES"


def test_a_relative_chunk_needs_an_arm_that_was_seen() -> None:
    """Counted from home, which the arm need not be at, the first chunk would be a jump."""
    executor = Executor(ROBOT)
    assert executor.accept(chunk(np.zeros((2, 7)), 10**9, space="ee_delta"), 10**9).reason == "NO_STATE"


def test_a_stop_while_a_chunk_is_resolved_drops_it() -> None:
    """Resolving takes longer than a tick; a chunk from before a stop must not move the arm after it."""
    rig = Rig()
    rig.tick()

    class Slow:
        def __call__(self, made: ActionChunk, anchor: Anchor) -> ActionChunk:
            rig.executor.stop("meanwhile")
            rig.executor.clear()
            return made

    rig.executor._resolve = Slow()  # type: ignore[assignment]
    assert rig.send(np.zeros((2, 7)) + 0.3).reason == "LATCHED"
    rig.tick(50)
    assert not rig.position[:7].any() or np.allclose(rig.position[:7], ROBOT.home)


#: Greatest errors of the tool against the Panda's own motion, brought to the arm: mm, degrees. Five joints cannot turn
#: the tool everywhere: with the position exact, the best that the so101 can do on this motion is 18.95 degrees.
ALLOWED = {"panda_four_finger": (2.0, 0.5), "ur5e": (2.0, 0.5), "so101": (2.0, 19.5)}


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_chunk_of_the_panda_drives_another_arm(name: str) -> None:
    """The acceptance of retargeting: another body's joints, through its kinematics, on an arm in MuJoCo."""
    loop, panda = Loop(name, "panda_cell"), BODIES["panda_cell"]
    swing = np.array([0.25, 0.12, -0.2, 0.15, 0.2, 0.1, 0.3])

    def joints(t: float) -> FloatArray:
        ramp = min(t / 0.5, 1.0)
        return np.append(ROBOT.home + ramp * swing * np.sin(2.0 * t), 0.5 + 0.4 * ramp * np.sin(2.0 * t))

    measured = loop.run(3.0, joints, "joint_position")
    scale, arms, errors = reach_scale(ROBOT, loop.robot), len(loop.robot.joints), []
    for tick in range(300, len(measured)):
        theirs = panda.kinematics.tool(joints((tick + 1) / 500)[:7])
        rotation, position = loop.kinematics.tool(measured[tick, :arms])
        wanted = BODIES[name].home + scale * (theirs[1] - panda.home)
        errors.append(
            (1e3 * np.linalg.norm(position - wanted), np.degrees(np.linalg.norm(pin.log3(rotation.T @ theirs[0]))))
        )
    print(f"{name}: {np.median(errors, axis=0)} median, {np.max(errors, axis=0)} greatest (mm, degrees)")
    assert np.all(np.max(errors, axis=0) <= ALLOWED[name])
    np.testing.assert_allclose(loop.robot.fingers.opening(measured[-1, arms:]), joints(3.0)[-1], atol=0.08)


@pytest.mark.parametrize("name", ["panda_cell", "panda_four_finger"])
def test_a_hand_drives_gripper_and_fingers(name: str) -> None:
    """The acceptance of hand retargeting: a hand that moves 6 cm aside and pinches, on arms in MuJoCo."""
    loop = Loop(name)
    rotation, home = loop.kinematics.tool(loop.robot.home)
    closed = right_hand(1.0, np.eye(3), np.zeros(3))
    wrist = home - rotation @ (0.5 * (closed[4] + closed[8]))

    def pinch(t: float) -> FloatArray:
        share = 0.5 * (1.0 - np.cos(min(t, 2.0) * np.pi / 2.0))
        return right_hand(share, rotation, wrist + share * np.array([0.0, 0.06, 0.0])).reshape(-1)

    measured = loop.run(3.0, pinch, "hand_keypoints")
    arms, fingers = len(loop.robot.joints), loop.robot.fingers
    start, end = (loop.kinematics.tool(measured[tick, :arms])[1] for tick in (250, -1))
    if name == "panda_cell":
        assert np.linalg.norm(end - home - (0.0, 0.06, 0.0)) < 3e-3
        assert fingers.opening(measured[-1, arms:])[0] < 0.1 < 0.8 < fingers.opening(measured[250, arms:])[0]
        return
    assert end[1] - start[1] > 0.045
    fit = HandFit(loop.robot)
    gaps = [np.linalg.norm(np.diff(fit._reached(measured[tick, arms:])[0][:2], axis=0)) for tick in (250, -1)]
    assert gaps[1] < 0.045 < 0.10 < gaps[0]


def test_a_gripper_is_turned_the_nearer_way() -> None:
    """Two fingers that slide are alike; turned by half a turn for nothing, the wrist would run into its limit."""
    body = BODIES["panda_cell"]
    rotation, position = body.kinematics.tool(body.robot.home)
    for turned in (np.eye(3), np.diag([-1.0, -1.0, 1.0])):
        hand = right_hand(0.5, rotation @ turned, position).reshape(1, -1)
        found = resolved("panda_cell", "hand_keypoints", hand, Anchor(body.robot.home, np.array([0.02])))
        assert np.linalg.norm(found[0, 3:6]) < 0.01
