"""Drawer: pull open the drawer of the named colour."""

import mujoco
import numpy as np

from wam_core.cell.build import add_solid
from wam_core.cell.scene import Scene
from wam_core.cell.tasks.area import Area
from wam_core.cell.tasks.task import Goal, Task, draw_colours
from wam_core.cell.variations import Variation

CABINET = "cabinet"
DRAWERS = ("drawer_0", "drawer_1", "drawer_2")
#: Half sizes in m. The drawer slides along -x, towards the robot.
WIDTH, DEPTH, HEIGHT, WALL = 0.052, 0.09, 0.030, 0.005
PITCH = 2 * (WIDTH + WALL) + 0.002
TRAVEL = 0.14
#: The handle is a bar across two posts; between bar and front there is room for closed fingers from above.
HANDLE_GAP, HANDLE_HALF_WIDTH, BAR = 0.07, 0.047, 0.005
HANDLE_HEIGHT = 0.052
CABINET_IN = Area((0.64, -0.10), (0.70, 0.10), outer_lower=(0.61, -0.13), outer_upper=(0.73, 0.13))
OPEN, SHUT = 0.08, 0.03


class Drawer(Task):
    """A low cabinet with three drawers side by side, seen from above and from the front."""

    max_seconds = 10.0
    hold_seconds = 0.2

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        box = mujoco.mjtGeom.mjGEOM_BOX
        cabinet = spec.worldbody.add_body(name=CABINET, mocap=True)
        add_solid(cabinet, box, (WALL, 1.5 * PITCH + WALL, HEIGHT + WALL), (DEPTH + 2 * WALL, 0.0, HEIGHT + WALL), 0.35)
        for i in range(4):
            y = (i - 1.5) * PITCH
            add_solid(cabinet, box, (DEPTH, WALL, HEIGHT + WALL), (WALL, y, HEIGHT + WALL), 0.35)
        for i, name in enumerate(DRAWERS):
            drawer = cabinet.add_body(name=name, pos=[0.0, (i - 1) * PITCH, 0.0])
            drawer.add_joint(
                name=name,
                type=mujoco.mjtJoint.mjJNT_SLIDE,
                axis=[-1.0, 0.0, 0.0],
                range=[0.0, TRAVEL],
                limited=True,
                damping=[6.0, 0.0, 0.0],
                frictionloss=0.8,
            )
            add_solid(drawer, box, (DEPTH, WIDTH - 0.002, HEIGHT), (0.0, 0.0, HEIGHT + WALL), mass=0.4)
            bar_x = -DEPTH - HANDLE_GAP - BAR
            add_solid(drawer, box, (BAR, HANDLE_HALF_WIDTH, 0.010), (bar_x, 0.0, HANDLE_HEIGHT), mass=0.03)
            for side in (-1, 1):
                post = (-DEPTH - HANDLE_GAP / 2, side * (HANDLE_HALF_WIDTH - BAR), HANDLE_HEIGHT)
                add_solid(drawer, box, (HANDLE_GAP / 2, BAR, 0.010), post, mass=0.02)

    def lay_out(self, scene: Scene, rng: np.random.Generator, variation: Variation) -> Goal:
        colours = draw_colours(rng, len(DRAWERS))
        scene.place(CABINET, np.array([*CABINET_IN.draw(rng, (), variation.border), 0.0]))
        for drawer, colour in zip(DRAWERS, colours, strict=True):
            scene.paint(drawer, variation.shades[colour])
        choice = int(rng.integers(len(DRAWERS)))
        thing = f"the {colours[choice]} drawer"
        return Goal(f"open {thing}", DRAWERS[choice], thing)

    def satisfied(self, scene: Scene, goal: Goal) -> bool:
        return scene.slide(goal.subject) > OPEN and all(
            scene.slide(other) < SHUT for other in DRAWERS if other != goal.subject
        )
