"""The cell's tasks: layouts that can be seen and done, and conditions that mean what the instruction says."""

import mujoco
import numpy as np
import pytest

from wam_core.cell.cell import Cell
from wam_core.cell.scene import COLOURS
from wam_core.cell.tasks import TASKS
from wam_core.cell.tasks.drawer import DRAWERS
from wam_core.robot.robot_file import load_robot


@pytest.fixture(scope="module")
def cell() -> Cell:
    return Cell(load_robot("panda_cell"), renderer="raycast")


def words(instruction: str) -> list[str]:
    return [word for word in instruction.split() if word in COLOURS]


@pytest.mark.parametrize("task", TASKS)
def test_what_is_named_is_seen_in_its_colour(cell: Cell, task: str) -> None:
    """Prevents instructions that the image cannot answer: hidden or mispainted objects, or no distractor."""
    for seed in range(100):
        instruction = cell.reset(task, seed)
        goal, image, labels = cell.goal, cell.image("front"), cell.segmentation("front")
        for body, word in zip([goal.subject, goal.target], words(instruction), strict=False):
            mask = np.isin(labels, np.flatnonzero(cell.scene.model.geom_bodyid == cell.scene.model.body(body).id))
            assert mask.sum() > 20, (instruction, seed, body, mask.sum())
            colour = image[mask].mean(axis=0)
            distance = {name: np.linalg.norm(colour / colour.max() - np.divide(rgb, max(rgb)))
                        for name, rgb in COLOURS.items()}  # fmt: skip
            assert min(distance, key=lambda name: distance[name]) == word, (instruction, seed)
        painted = {tuple(rgba[:3]) for rgba in cell.scene.model.geom_rgba.round(3)}
        assert sum(tuple(np.round(np.float32(rgb), 3)) in painted for rgb in COLOURS.values()) > len(words(instruction))


@pytest.mark.parametrize("task", TASKS)
def test_every_instruction_and_place_occurs(cell: Cell, task: str) -> None:
    """Prevents a task that a policy can solve without reading or without looking."""
    instructions, places = set(), []
    for seed in range(300):
        instructions.add(cell.reset(task, seed))
        places.append(cell.scene.position(cell.goal.target or cell.goal.subject)[:2])
    assert len(instructions) == (4 if task in ("reach", "drawer") else 12)
    assert np.std([y for _, y in places]) > 0.09


@pytest.mark.parametrize("task", TASKS)
def test_a_fresh_episode_is_not_solved(cell: Cell, task: str) -> None:
    """Prevents free successes: at the start, at rest, nothing is where it should be."""
    limit = np.append(cell.robot.limits.torque, 0.0)
    for seed in range(50):
        cell.reset(task, seed)
        for _ in range(20):
            cell.step(0.0 * limit)
        assert not cell.success()


@pytest.mark.parametrize("task", TASKS)
def test_objects_lie_where_the_arm_works(cell: Cell, task: str) -> None:
    """Prevents goals at the edge of the reach or outside the tool's workspace."""
    for seed in range(200):
        cell.reset(task, seed)
        for body in filter(None, (cell.goal.subject, cell.goal.target)):
            x, y, _ = cell.scene.position(body)
            assert 0.30 <= x <= 0.75 and abs(y) <= 0.30


def test_reach_must_last(cell: Cell) -> None:
    """Prevents a success for passing by: the tool must stay at the ball."""
    cell.reset("reach", 3)
    ball = cell.scene.position(cell.goal.subject)
    far = cell.scene.tool_position() - [0.0, 0.0, 0.025]
    gravity = cell.scene.model.opt.gravity.copy()
    cell.scene.model.opt.gravity[:] = 0.0
    for place, ticks, expected in ((far, 100, False), (ball, 50, False), (far, 300, True)):
        cell.scene.place(cell.goal.subject, place)
        for _ in range(ticks):
            cell.step(np.zeros(8))
        assert cell.success() is expected
    cell.scene.model.opt.gravity[:] = gravity


def test_only_the_named_drawer_counts(cell: Cell) -> None:
    """Prevents a success for opening all drawers, or another one."""
    cell.reset("drawer", 5)
    scene, task = cell.scene, TASKS["drawer"]
    subject = cell.goal.subject
    other = next(name for name in DRAWERS if name != subject)
    for openings, expected in (({subject: 0.1}, True), ({other: 0.1}, False), ({subject: 0.1, other: 0.1}, False)):
        for name in DRAWERS:
            scene.data.joint(name).qpos[0] = openings.get(name, 0.0)
        mujoco.mj_forward(scene.model, scene.data)
        assert task.satisfied(scene, cell.goal) is expected


def test_push_wants_that_block_in_that_zone(cell: Cell) -> None:
    """Prevents a success for the other block or the other zone."""
    cell.reset("push", 5)
    scene, task, goal = cell.scene, TASKS["push"], cell.goal
    other = {"block_0": "block_1", "block_1": "block_0"}[goal.subject]
    wrong = {"zone_0": "zone_1", "zone_1": "zone_0"}[goal.target]
    for body, zone, expected in ((goal.subject, goal.target, True), (goal.subject, wrong, False),
                                 (other, goal.target, False)):  # fmt: skip
        cell.reset("push", 5)
        scene.place(body, scene.position(zone) + [0.02, 0.02, 0.03])
        mujoco.mj_forward(scene.model, scene.data)
        assert task.satisfied(scene, goal) is expected


def test_a_held_cube_is_not_placed(cell: Cell) -> None:
    """Prevents a success before the gripper has let go and left."""
    cell.reset("pick_place", 5)
    scene, task, goal = cell.scene, TASKS["pick_place"], cell.goal
    scene.place(goal.subject, scene.position(goal.target) + [0.0, 0.0, 0.03])
    finger = scene.model.joint(cell.robot.gripper.joint).qposadr[0]
    for opening, expected in ((0.04, True), (0.02, False)):
        scene.data.qpos[finger] = opening
        mujoco.mj_forward(scene.model, scene.data)
        assert task.satisfied(scene, goal) is expected
