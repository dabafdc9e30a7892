"""Pick and place: put the cube of the named colour in the tray of the named colour."""

import mujoco
import numpy as np

from wam_core.cell.build import add_solid
from wam_core.cell.scene import Scene
from wam_core.cell.tasks.area import Area, scatter
from wam_core.cell.tasks.task import Goal, Task, draw_colours
from wam_core.cell.variations import Variation

CUBES, TRAYS = ("cube_0", "cube_1"), ("tray_0", "tray_1")
CUBE, CUBE_MASS, CUBE_FRICTION = 0.02, 0.06, 1.0
#: Half size of a tray's floor, its thickness, and half height of its rim.
TRAY, FLOOR, RIM = 0.07, 0.002, 0.006
CUBES_IN = Area((0.38, -0.22), (0.50, 0.22), outer_lower=(0.34, -0.26), outer_upper=(0.50, 0.26))
TRAYS_IN = Area((0.60, -0.22), (0.66, 0.22), outer_lower=(0.60, -0.26), outer_upper=(0.70, 0.26))
CUBES_APART, TRAYS_APART = 0.13, 0.19
MOST_YAW = 0.2
CLEAR_HEIGHT, RELEASED = 0.10, 0.03


class PickPlace(Task):
    """Two cubes near the robot, two shallow trays beyond them."""

    max_seconds = 16.0
    hold_seconds = 0.2

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        box = mujoco.mjtGeom.mjGEOM_BOX
        for name in CUBES:
            body = spec.worldbody.add_body(name=name)
            body.add_freejoint()
            add_solid(body, box, (CUBE, CUBE, CUBE), mass=CUBE_MASS, friction=CUBE_FRICTION)
        for name in TRAYS:
            tray = spec.worldbody.add_body(name=name, mocap=True)
            add_solid(tray, box, (TRAY, TRAY, FLOOR), (0.0, 0.0, FLOOR))
            for side in (-1, 1):
                add_solid(tray, box, (0.004, TRAY, RIM), (side * TRAY, 0.0, RIM))
                add_solid(tray, box, (TRAY, 0.004, RIM), (0.0, side * TRAY, RIM))

    def lay_out(self, scene: Scene, rng: np.random.Generator, variation: Variation) -> Goal:
        colours = draw_colours(rng, 4)
        cubes = scatter(rng, 2, CUBES_IN, CUBES_APART, variation.border)[0]
        trays = scatter(rng, 2, TRAYS_IN, TRAYS_APART, variation.border)[0]
        for body, point, colour in zip(CUBES, cubes, colours[:2], strict=True):
            scene.place(body, np.array([*point, CUBE]), float(rng.uniform(-MOST_YAW, MOST_YAW)))
            scene.paint(body, variation.shades[colour])
        for body, point, colour in zip(TRAYS, trays, colours[2:], strict=True):
            scene.place(body, np.array([*point, 0.0]))
            scene.paint(body, variation.shades[colour])
        cube, tray = (int(i) for i in rng.integers(2, size=2))
        thing, place = f"the {colours[cube]} cube", f"the {colours[2 + tray]} tray"
        return Goal(f"put {thing} in {place}", CUBES[cube], thing, TRAYS[tray], place)

    def satisfied(self, scene: Scene, goal: Goal) -> bool:
        cube, tray = scene.position(goal.subject), scene.position(goal.target)
        inside = bool(np.abs(cube[:2] - tray[:2]).max() < TRAY) and cube[2] < 2 * CUBE
        return inside and scene.finger() > RELEASED and bool(scene.tool_position()[2] > CLEAR_HEIGHT)
