"""The plan as it is drawn: where chunks disagree, where one goes over into the next, how the arm will be at the end."""

import numpy as np
import pytest
from live_graph import ROBOT

from wam_core.contract import ActionChunk, Future, RobotState
from wam_core.preprocess.images import ImageLayout
from wam_core.robot.geometry import Geometry
from wam_core.robot.kinematics import Kinematics, proprioception
from wam_core.robot.robot_file import load_robot
from wam_core.viewing.ghost import Ghost
from wam_core.viewing.in_space import BEFORE_LENS, lines, points
from wam_core.viewing.plan import PlanWatch

STEP = ROBOT.step_ns
HERE = proprioception(Kinematics(ROBOT), RobotState(0, np.append(ROBOT.home, 0.04), np.zeros(8)))


def chunk(begin: int, rise: float = 0.0, length: int = 8) -> ActionChunk:
    """The tool goes forward 1 cm a step from step 0 on; ``rise`` m above that."""
    rows = np.tile(HERE, (length, 1))
    rows[:, 0] += 0.01 * np.arange(begin, begin + length)
    rows[:, 2] += rise
    start_ns = (begin + 1) * STEP
    return ActionChunk(start_ns - STEP, start_ns, STEP, ROBOT.action.names, "ee_pose", rows, begin)


def test_chunks_that_agree_have_no_width_and_those_that_do_not_have_theirs() -> None:
    """Prevents: a tube that compares step with step instead of instant with instant."""
    watch = PlanWatch(ROBOT)
    alone, agrees = watch.take(chunk(0)), watch.take(chunk(3))
    assert alone is not None and agrees is not None and alone.seam is None and agrees.seam is not None
    assert np.isnan(alone.radii).all()
    assert np.allclose(agrees.radii[:5], 0.0, atol=1e-9) and np.isnan(agrees.radii[5:]).all()
    assert agrees.seam.gap < 1e-9 and agrees.seam.stamp_ns == 4 * STEP
    other = PlanWatch(ROBOT)
    other.take(chunk(0))
    apart = other.take(chunk(3, rise=0.02))
    assert apart is not None and apart.seam is not None
    assert np.allclose(apart.radii[:5], 2 * 0.01) and apart.seam.gap == pytest.approx(0.02)
    other.forget()
    again = other.take(chunk(4))
    assert again is not None and again.seam is None


def test_a_chunk_that_begins_after_the_last_one_ended_has_no_seam() -> None:
    """Prevents: a seam to where a chunk that is long over happened to end."""
    watch = PlanWatch(ROBOT)
    watch.take(chunk(0))
    late = watch.take(chunk(20))
    assert late is not None and late.seam is None and np.isnan(late.radii).all()


@pytest.mark.parametrize("name", ["panda_cell", "ur5e", "so101"])
def test_the_ghost_stands_where_the_chunk_ends(name: str) -> None:
    """Prevents: a ghost at the start, in another arm's joints, or one that is made up where the arm cannot get."""
    robot = load_robot(name)
    kinematics, ghost = Kinematics(robot), Ghost(robot)
    end = robot.home + 0.15 * np.where(robot.home < (robot.limits.lower + robot.limits.upper) / 2, 1.0, -1.0)
    grips = [0.5] * bool(robot.fingers.joints)
    joints = np.array([[*robot.home, *grips], [*end, *grips]])
    names = (*robot.joints, *("gripper" for _ in grips))
    as_joints = ActionChunk(0, STEP, STEP, names, "joint_position", joints, 0)
    found = ghost.posture(as_joints, robot.home)
    assert found is not None and np.allclose(found, end)
    state = RobotState(0, np.append(end, robot.fingers.posture(0.5)), np.zeros(len(robot.joint_names)))
    pose = proprioception(kinematics, state)
    columns = ("x", "y", "z", "rx", "ry", "rz", "gripper")[: len(pose)]
    as_pose = ActionChunk(0, STEP, STEP, columns, "ee_pose", np.stack([pose, pose]), 0)
    reached = ghost.posture(as_pose, robot.home)
    assert reached is not None
    assert np.linalg.norm(kinematics.tool(reached)[1] - kinematics.tool(end)[1]) < 0.004
    far = ActionChunk(0, STEP, STEP, columns, "ee_pose", np.stack([pose + 3.0, pose + 3.0]), 0)
    assert ghost.posture(far, robot.home) is None
    moved = [
        np.linalg.norm(a.position - b.position) for a, b in zip(*map(ghost.solids, (robot.home, end)), strict=True)
    ]
    assert max(moved) > 0.01 and min(moved) < 1e-9


def test_flow_hangs_before_the_lens_where_the_camera_sees_it() -> None:
    """Prevents: arrows upside down, in another camera's frame, or of a wrist camera left where it started."""
    values = np.zeros((2, 32, 64, 2), np.float32)
    values[0, 8:16, 40:48] = (2.0, 0.0)
    values[1, 8:16, 40:48] = (4.0, 0.0)
    regions = {"front": (0, 0, 32, 32), "wrist": (0, 32, 32, 32)}
    tracks = lines(ROBOT, Future(0, "flow", STEP, values, regions), HERE)
    assert len(tracks["front"]) == 0 and len(tracks["wrist"]) == 16
    geometry = Geometry(ROBOT, ImageLayout(("wrist",), 32, 32))
    for line in tracks["wrist"]:
        pixels, depth = geometry.project("wrist", line[None], HERE[None])
        assert np.allclose(depth, BEFORE_LENS)
        assert 8 <= pixels[0, 0, 0] < 16 and 8 <= pixels[0, 0, 1] < 16
        assert np.allclose(pixels[0] - pixels[0, 0], [(0, 0), (2, 0), (4, 0)], atol=1e-6)


def test_lines_that_are_not_sure_are_not_drawn_and_motion_in_space_is_as_long_as_it_is() -> None:
    """Prevents: points that left the picture drawn as if they were seen; metres taken for pixels."""
    values = np.zeros((2, 32, 32, 4), np.float32)
    values[:, :, :16] = (0.0, 0.0, 0.1, 1.0)
    values[:, :, 16:] = (0.0, 0.0, 0.1, 0.2)
    found = lines(ROBOT, Future(0, "scene_flow", STEP, values, {"front": (0, 0, 32, 32)}), HERE)["front"]
    assert len(found) == 16 * 8 and np.allclose(found[:, 1] - found[:, 0], (0.0, 0.0, 0.1))


def test_points_of_depth_lie_where_the_camera_sees_them_and_nothing_is_nowhere() -> None:
    """Prevents: a cloud that is mirrored, or of the wrist camera where the tool was; sky at the origin."""
    depth = np.full((1, 32, 32), np.inf, np.float32)
    depth[0, 10, 20] = 0.7
    colours = np.zeros((32, 32, 3), np.uint8)
    colours[10, 20] = (9, 8, 7)
    where, painted = points(ROBOT, Future(0, "depth", STEP, depth, {"wrist": (0, 0, 32, 32)}), colours, 0, HERE)
    assert where.shape == (1, 3) and painted.tolist() == [[9, 8, 7]]
    pixels, far = Geometry(ROBOT, ImageLayout(("wrist",), 32, 32)).project("wrist", where[None], HERE[None])
    assert np.allclose(pixels[0, 0], (20, 10)) and np.allclose(far, 0.7)
