"""Reach: bring the tool to the top of the ball of the named colour."""

import mujoco
import numpy as np

from wam_core.cell.build import add_mark
from wam_core.cell.scene import Scene
from wam_core.cell.tasks.area import Area, scatter
from wam_core.cell.tasks.task import Goal, Task, draw_colours
from wam_core.cell.variations import Variation

BALLS = ("ball_0", "ball_1", "ball_2")
RADIUS = 0.025
BALLS_IN = Area((0.38, -0.25), (0.68, 0.25), outer_lower=(0.33, -0.30), outer_upper=(0.73, 0.30))
APART = 0.12
TOLERANCE = 0.03


class Reach(Task):
    """Three balls that are only seen, not felt: nothing can be knocked over."""

    max_seconds = 6.0
    hold_seconds = 0.3

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        for name in BALLS:
            add_mark(spec.worldbody.add_body(name=name, mocap=True), mujoco.mjtGeom.mjGEOM_SPHERE, (RADIUS,))

    def lay_out(self, scene: Scene, rng: np.random.Generator, variation: Variation) -> Goal:
        colours = draw_colours(rng, len(BALLS))
        points = scatter(rng, len(BALLS), BALLS_IN, APART, variation.border)[0]
        for ball, point, colour in zip(BALLS, points, colours, strict=True):
            scene.place(ball, np.array([*point, RADIUS]))
            scene.paint(ball, variation.shades[colour])
        choice = int(rng.integers(len(BALLS)))
        thing = f"the {colours[choice]} ball"
        return Goal(f"reach {thing}", BALLS[choice], thing)

    def satisfied(self, scene: Scene, goal: Goal) -> bool:
        top = scene.position(goal.subject) + [0.0, 0.0, RADIUS]
        return bool(np.linalg.norm(scene.tool_position() - top) < TOLERANCE)
