"""Push: slide the block of the named colour onto the zone of the named colour."""

import mujoco
import numpy as np

from wam_core.cell.build import add_mark, add_solid
from wam_core.cell.scene import Scene
from wam_core.cell.tasks.area import Area, scatter
from wam_core.cell.tasks.task import Goal, Task, draw_colours
from wam_core.cell.variations import Variation
from wam_core.contract import FloatArray

BLOCKS, ZONES = ("block_0", "block_1"), ("zone_0", "zone_1")
#: Round blocks: two fingers apart hold one between them from any side, so that it is steered, not chased.
BLOCK_RADIUS, BLOCK_HALF_HEIGHT, BLOCK_MASS, BLOCK_FRICTION = 0.030, 0.03, 0.15, 0.35
ZONE_RADIUS = 0.06
BLOCKS_IN = Area((0.39, -0.18), (0.46, 0.18), outer_lower=(0.35, -0.22), outer_upper=(0.46, 0.22))
ZONES_IN = Area((0.60, -0.22), (0.68, 0.22), outer_lower=(0.60, -0.26), outer_upper=(0.72, 0.26))
BLOCKS_APART, ZONES_APART = 0.13, 0.135
#: Greatest angle of any push from the robot's forward direction.
STEEPEST = np.radians(42.0)
TOLERANCE = 0.045


class Push(Task):
    """Two blocks near the robot, two zones beyond them; any block may have to go to any zone."""

    max_seconds = 12.0
    hold_seconds = 0.2

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        for name in BLOCKS:
            body = spec.worldbody.add_body(name=name)
            body.add_freejoint()
            add_solid(
                body,
                mujoco.mjtGeom.mjGEOM_CYLINDER,
                (BLOCK_RADIUS, BLOCK_HALF_HEIGHT),
                mass=BLOCK_MASS,
                friction=BLOCK_FRICTION,
            )
        for name in ZONES:
            add_mark(
                spec.worldbody.add_body(name=name, mocap=True), mujoco.mjtGeom.mjGEOM_CYLINDER, (ZONE_RADIUS, 0.0005)
            )

    def lay_out(self, scene: Scene, rng: np.random.Generator, variation: Variation) -> Goal:
        colours = draw_colours(rng, 4)
        blocks, zones = _points(rng, variation.border)
        for body, point, colour in zip(BLOCKS, blocks, colours[:2], strict=True):
            scene.place(body, np.array([*point, BLOCK_HALF_HEIGHT]))
            scene.paint(body, variation.shades[colour])
        for body, point, colour in zip(ZONES, zones, colours[2:], strict=True):
            scene.place(body, np.array([*point, 0.0]))
            scene.paint(body, variation.shades[colour])
        block, zone = (int(i) for i in rng.integers(2, size=2))
        thing, place = f"the {colours[block]} block", f"the {colours[2 + zone]} zone"
        return Goal(f"push {thing} to {place}", BLOCKS[block], thing, ZONES[zone], place)

    def satisfied(self, scene: Scene, goal: Goal) -> bool:
        miss = scene.position(goal.subject) - scene.position(goal.target)
        return bool(np.linalg.norm(miss[:2]) < TOLERANCE)


def _points(rng: np.random.Generator, border: bool) -> tuple[FloatArray, FloatArray]:
    blocks = scatter(rng, 2, BLOCKS_IN, BLOCKS_APART, border)
    zones = scatter(rng, 2, ZONES_IN, ZONES_APART, border)
    count = min(len(blocks), len(zones))
    way = zones[:count, None] - blocks[:count, :, None]
    first = int(np.argmax(np.abs(np.arctan2(way[..., 1], way[..., 0])).max(axis=(1, 2)) <= STEEPEST))
    return blocks[first], zones[first]
