"""What a guard proves without measuring must be what dense measurement finds."""

from collections.abc import Sequence
from functools import cache

import coal
import numpy as np
import pinocchio as pin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wam_core.contract import FloatArray
from wam_core.executor.guard import Guard, Margins, side_by_side
from wam_core.executor.settings import ExecutorSettings
from wam_core.paths import share_path
from wam_core.robot.clearance import self_clearance, solids_clearance
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics, locked_arm
from wam_core.robot.robot_file import load_robot
from wam_core.robot.workspace import ToolBox

ROBOTS = ("panda_cell", "ur5e", "so101", "panda_four_finger")
KINDS = ("workspace", "self_collision", "environment")
#: coal's distances are iterated from where the last search ended, to about this (m).
ITERATED = 2e-6


@cache
def robot_of(name: str) -> RobotContract:
    return load_robot(name)


@cache
def margins_of(name: str, kind: str) -> Margins:
    robot = robot_of(name)
    if kind == "workspace":
        return ToolBox(robot, Kinematics(robot))
    if kind == "self_collision":
        return self_clearance(robot, ExecutorSettings().clearance)
    solids = solids_clearance(robot, robot.safety.environment, robot.safety.environment_distance)
    assert solids is not None
    return solids


def values_of(margins: Margins, q: FloatArray) -> FloatArray:
    """``[P]`` m: all of them."""
    return margins.measure(q, range(len(margins.levers)))


def guard_of(margins: Margins) -> Guard:
    return side_by_side([margins])[0]


class Path:
    """A stop for a guard to look at."""

    def __init__(self, path: FloatArray) -> None:
        self.lower, self.upper, self.samples = path.min(axis=0), path.max(axis=0), (path, np.zeros_like(path))


def posture(robot: RobotContract, rng: np.random.Generator) -> FloatArray:
    return rng.uniform(robot.limits.lower, robot.limits.upper)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000), size=st.floats(1e-4, 3.0))
def test_no_value_changes_faster_than_its_levers_allow(name: str, kind: str, seed: int, size: float) -> None:
    """A lever that is too short lets the guard take for proven what is not true."""
    robot, margins, rng = robot_of(name), margins_of(name, kind), np.random.default_rng(seed)
    q = posture(robot, rng)
    there = np.clip(q + size * rng.uniform(-1, 1, len(q)), robot.limits.lower, robot.limits.upper)
    change = np.abs(values_of(margins, there) - values_of(margins, q))
    assert (change <= margins.levers @ np.abs(there - q) + ITERATED).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 100_000), size=st.floats(1e-3, 0.6))
def test_a_guard_finds_what_dense_measurement_finds(name: str, kind: str, seed: int, size: float) -> None:
    """A guard that skipped a sample below the least distance would let the arm touch; one that saw breaches where
    there are none would stop it for nothing. Paths follow each other: what one proved counts for the next."""
    robot, margins, rng = robot_of(name), margins_of(name, kind), np.random.default_rng(seed)
    guard, here = guard_of(margins), robot.home if rng.random() < 0.5 else posture(robot, rng)
    for _ in range(8):
        shares = np.sort(rng.uniform(0.0, 1.0, int(rng.integers(1, 15))))
        path = here + shares[:, None] * size * rng.uniform(-1, 1, len(here))
        values = np.array([values_of(margins, q) for q in path])
        least = float(rng.choice(values.min(axis=1))) + rng.uniform(-0.01, 0.01)  # so that some are clear and some not
        missing = (np.minimum(least, values_of(margins, here)) - values).max(axis=1)
        found = guard.breach(Path(path), least, here)
        if found is None:
            assert (missing <= ITERATED).all()
        else:
            assert found.value < least and (missing > -ITERATED).any()
            first, last = int((missing > -ITERATED).argmax()), int((missing > ITERATED).argmax()) or len(path) - 1
            assert np.abs(values[first : last + 1] - found.value).min() <= ITERATED
        here = path[0]


def test_a_part_that_stays_too_near_holds_no_other_back() -> None:
    """A shoulder that turns above the table, nearer than is allowed, kept the arm held for ever by rounding alone."""
    robot, margins = robot_of("so101"), margins_of("so101", "environment")
    near = float(values_of(margins, robot.home).min()) + 1e-3
    path = robot.home + np.linspace(0.01, 0.3, 30)[:, None] * np.eye(5)[0]
    ways = np.array([values_of(margins, q) for q in path])
    assert np.ptp(ways.min(axis=1)) < 1e-9
    assert guard_of(margins).breach(Path(path), near, robot.home) is None


@pytest.mark.parametrize(("room", "most"), [(0.1, 5), (0.01, 20)], ids=["free", "along a wall"])
def test_what_measurements_prove_is_not_measured_again(room: float, most: int) -> None:
    """Were every sample of every tick's stop measured, a tick would take several times as long. A guard that remembered
    one measurement alone measured both ends of a path along a wall again and again."""
    robot, margins = robot_of("panda_cell"), margins_of("panda_cell", "workspace")
    way = robot.home + np.linspace(0.0, 0.3, 220)[:, None] * np.eye(7)[0]

    class Counted:
        levers, name, count = margins.levers, margins.name, 0

        def measure(self, q: FloatArray, which: Sequence[int]) -> FloatArray:
            Counted.count += 1
            return margins.measure(q, which)

    guard = guard_of(Counted())
    least = min(float(values_of(margins, q).min()) for q in way) - room
    for tick in range(200):
        assert guard.breach(Path(way[tick : tick + 20]), least, way[tick]) is None
    assert 1 < Counted.count < most


def test_pairs_that_are_far_apart_are_not_measured() -> None:
    """Were one doubtful pair of 57 measured together with the 56 others, a tick along a wall would take half as long
    again."""
    robot, margins = robot_of("panda_cell"), margins_of("panda_cell", "self_collision")
    asked: list[int] = []

    class Counted:
        levers, name, fingers = margins.levers, margins.name, margins.fingers

        def measure(self, q: FloatArray, which: Sequence[int]) -> FloatArray:
            asked.append(len(which))
            return margins.measure(q, which)

    guard, way = guard_of(Counted()), robot.home + np.linspace(0.0, 0.3, 220)[:, None] * np.eye(7)[3]
    least = min(float(values_of(margins, q).min()) for q in way) - 0.01
    for tick in range(200):
        assert guard.breach(Path(way[tick : tick + 20]), least, way[tick]) is None
    assert asked[0] == len(margins.levers) and max(asked[1:]) <= 8, asked


def test_fingers_are_confined_where_they_could_touch() -> None:
    """Fingers held back by an elbow that is too near could never let go; those that nothing holds back reach into what
    the arm began too near to."""

    class Margin:
        """How far two links are along the first joint; the fingers share in the second value alone."""

        levers, fingers = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([False, True])

        def measure(self, q: FloatArray, which: Sequence[int]) -> FloatArray:
            return np.array([q[0] + 0.5, q[0]])[which]

        def name(self, index: int) -> str:
            return ("elbow, table", "finger, table")[index]

    guard, here = guard_of(Margin()), np.array([-0.1, 0.0])
    assert guard.confines is not None, "nothing is known of where the arm is"
    leaving = here + np.linspace(0.0, 0.02, 5)[:, None] * [1.0, 1.0]
    assert guard.breach(Path(leaving), 0.01, here) is None
    assert guard.confines is not None and guard.confines[1:] == ("finger, table", 0.01)
    assert guard.breach(Path(leaving[::-1] - [0.01, 0.0]), 0.01, here) is not None, "further in"
    assert guard.confines is not None
    away = np.array([0.2, 0.0])
    assert guard.breach(Path(away + np.zeros((3, 2))), 0.01, here) is None and guard.confines is None
    near_elbow = np.array([0.2, 0.1]) + np.zeros((3, 2))
    assert guard.breach(Path(near_elbow), 0.01, away) is None and guard.confines is None
    assert guard.breach(Path(here + np.zeros((2, 2))), 0.01, away) is not None, "back in"
    assert guard.confines is None, "it was not followed there"
    guard.forget()
    assert guard.confines is not None


@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000), size=st.floats(1e-3, 1.0))
def test_the_tool_is_never_faster_than_its_bound(name: str, seed: int, size: float) -> None:
    """A bound below the true speed would send a stop that is too fast."""
    robot, rng = robot_of(name), np.random.default_rng(seed)
    kinematics, q = Kinematics(robot), posture(robot, rng)
    path = q + np.linspace(0.0, size, 6)[:, None] * rng.uniform(-1, 1, len(q))
    v = rng.uniform(-1, 1, path.shape) * robot.limits.velocity
    speeds = [np.linalg.norm(kinematics.jacobian(a)[:3] @ b) for a, b in zip(path, v, strict=True)]
    assert (kinematics.speed_bound(path, v) >= np.array(speeds) - 1e-9).all()
    reach = np.abs(path - q).max(axis=0)
    assert kinematics.speed_within(q, reach, v.min(axis=0), v.max(axis=0)) >= max(speeds) - 1e-9


@pytest.mark.parametrize("name", ["panda_cell", "so101", "panda_four_finger"])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_fingers_are_nowhere_nearer_than_the_guard_believes(name: str, seed: int) -> None:
    """Openings beyond 0..1, fingers that follow a hand's key points and joints that take different times to open
    brought a finger outside the space that was kept clear for it, into the table."""
    robot, margins, rng = robot_of(name), margins_of(name, "environment"), np.random.default_rng(seed)
    full, locked, whole = locked_arm(robot)
    shapes = pin.buildGeomFromUrdf(full, str(share_path(robot.urdf)), pin.GeometryType.COLLISION)
    table = next(solid for solid in robot.safety.environment if solid.kind == "box")
    there = pin.GeometryObject(table.name, 0, pin.SE3(np.eye(3), np.array(table.position)), coal.Box(*table.size))
    fingers = [k for k, shape in enumerate(shapes.geometryObjects) if shape.parentJoint in locked]
    added = shapes.addGeometryObject(there)
    for k in fingers:
        shapes.addCollisionPair(pin.CollisionPair(k, added))
    arm, hand = posture(robot, rng), robot.fingers
    for joints, values in ((robot.joints, arm), (hand.joints, rng.uniform(hand.lower, hand.upper))):
        for joint, value in zip(joints, values, strict=True):
            whole[full.joints[full.getJointId(joint)].idx_q] = value
    data, results = full.createData(), shapes.createData()
    pin.updateGeometryPlacements(full, data, shapes, results, whole)
    pin.computeDistances(shapes, results)
    believed = {margins.name(k): value for k, value in enumerate(values_of(margins, arm))}
    for k, found in zip(fingers, results.distanceResults, strict=True):
        pair = f"{shapes.geometryObjects[k].name}, {table.name}"
        assert believed.get(pair, -np.inf) <= found.min_distance + ITERATED
