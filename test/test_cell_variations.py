"""Episodes with one thing held out: outside what demonstrations have, inside what can be seen and done."""

from colorsys import rgb_to_hsv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wam_core.cell.cell import Cell
from wam_core.cell.scene import COLOURS
from wam_core.cell.tasks import drawer, pick_place, push, reach
from wam_core.cell.tasks.area import Area
from wam_core.cell.variations import SHADES, VARIATIONS
from wam_core.errors import ContractError
from wam_core.evaluation.expert_policy import ExpertPolicy
from wam_core.evaluation.rollout import run_episode
from wam_core.executor.executor import Executor
from wam_core.robot.robot_file import load_robot

CELL = Cell(load_robot("panda_cell"), "raycast")

#: Task -> bodies that are drawn in one area, the area, and how far from each other they stay (m).
LAID_OUT: dict[str, list[tuple[tuple[str, ...], Area, float]]] = {
    "reach": [(reach.BALLS, reach.BALLS_IN, reach.APART)],
    "push": [(push.BLOCKS, push.BLOCKS_IN, push.BLOCKS_APART), (push.ZONES, push.ZONES_IN, push.ZONES_APART)],
    "drawer": [((drawer.CABINET,), drawer.CABINET_IN, 0.0)],
    "pick_place": [
        (pick_place.CUBES, pick_place.CUBES_IN, pick_place.CUBES_APART),
        (pick_place.TRAYS, pick_place.TRAYS_IN, pick_place.TRAYS_APART),
    ],
}

#: Task, seed -> instruction, x and y of its subject, x of the front camera, of the wrist's turn, and the light.
AS_RECORDED = {
    ("reach", 0): ("reach the red ball", 0.638953676704966, 0.020730610124545856, 1.0986584759123803,
                   0.6955593542736579, 1.9123646020889282),
    ("push", 7): ("push the blue block to the green zone", 0.39176378095612324, -0.04601330187652658,
                  1.0999381577735665, 0.6919296446383428, 1.6366171836853027),
    ("drawer", 0): ("open the blue drawer", 0.6424584114361717, -0.21269447289429416, 1.1004362499146543,
                    0.6925309706536126, 1.942131757736206),
    ("pick_place", 7): ("put the blue cube in the green tray", 0.41601995418934706, 0.16436351597435525,
                        1.0983672219491811, 0.6937418752626296, 1.8252840042114258),
}  # fmt: skip

seeds = st.integers(min_value=0, max_value=2**32)


def places(bodies: tuple[str, ...]) -> np.ndarray:
    return np.array([CELL.scene.position(body)[:2] for body in bodies])


def within(points: np.ndarray, lower: tuple[float, float], upper: tuple[float, float]) -> np.ndarray:
    return np.all((points >= lower) & (points <= upper), axis=1)


@pytest.mark.parametrize(("task", "seed"), AS_RECORDED)
def test_what_is_not_varied_is_as_it_always_was(task: str, seed: int) -> None:
    """Every figure that was measured, and every recording, names its episodes by their seeds: a draw more, and they are
    other episodes."""
    said = CELL.reset(task, seed)
    model, (x, y) = CELL.scene.model, places((CELL.goal.subject,))[0]
    cameras = model.camera("front").pos[0], model.camera("wrist").quat[1]
    assert (said, x, y, *cameras, float(model.light_ambient.sum())) == AS_RECORDED[task, seed]


@pytest.mark.parametrize("task", LAID_OUT)
@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_held_out_places_are_outside_and_keep_every_clearance(task: str, seed: int) -> None:
    """An object in the demonstrations' rectangle is not held out; one beside another, or out of reach, cannot be done
    and says nothing of the model."""
    for variation in ("none", "places"):
        CELL.reset(task, seed, variation)
        for bodies, area, apart in LAID_OUT[task]:
            points = places(bodies)
            assert np.all(within(points, area.lower, area.upper) == (variation == "none"))
            assert np.all(within(points, area.outer_lower, area.outer_upper))
            gaps = np.linalg.norm(points[:, None] - points, axis=-1)[np.triu_indices(len(points), 1)]
            assert np.all(gaps >= apart)
        if task == "push":
            way = (places(push.ZONES)[None] - places(push.BLOCKS)[:, None]).reshape(-1, 2)
            assert np.abs(np.arctan2(way[:, 1], way[:, 0])).max() <= push.STEEPEST


@pytest.mark.parametrize("task", ["push", "pick_place"])
def test_the_border_does_not_bring_things_nearer_to_where_they_are_to_go(task: str) -> None:
    """A cube that begins on a tray's rim, or a block that begins in a zone, is another task."""
    (_, near, _), (_, far, _) = LAID_OUT[task]
    assert near.outer_upper[0] == near.upper[0] and far.outer_lower[0] == far.lower[0]


def test_shades_are_new_and_mean_the_same_word() -> None:
    """A shade that is a brighter red, which the light makes, is nothing new; one that is nearer to yellow is a lie."""
    hue = {word: rgb_to_hsv(*rgb)[0] for word, rgb in COLOURS.items()}
    for word, rgb in SHADES.items():
        own = rgb_to_hsv(*rgb)[0]
        distance = {other: min(abs(own - h), 1.0 - abs(own - h)) for other, h in hue.items()}
        assert min(distance, key=lambda other: distance[other]) == word
        at_full = [np.divide(c, max(c)) for c in (rgb, COLOURS[word])]
        assert np.linalg.norm(at_full[0] - at_full[1]) > 0.25
    assert SHADES.keys() == COLOURS.keys()


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_one_thing_is_held_out_and_the_rest_stays(seed: int) -> None:
    """Where everything changes at once, a failure cannot be put down to anything."""
    seen = []
    for name in ("none", "colours", "camera"):
        said = CELL.reset("push", seed, name)
        model = CELL.scene.model
        rgb = np.array([model.geom_rgba[model.geom_bodyid == model.body(b).id][0, :3] for b in push.BLOCKS])
        where, light = places(push.BLOCKS + push.ZONES), model.light_ambient
        seen.append((said, where.tolist(), light.tolist(), rgb.tolist(), model.cam_pos.tolist()))
    plain, colours, camera = seen
    assert [a == b for a, b in zip(plain, colours, strict=True)] == [True, True, True, False, True]
    assert [a == b for a, b in zip(plain, camera, strict=True)] == [True, True, True, True, False]


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_cameras_stand_where_no_demonstration_had_them(seed: int) -> None:
    """Bounds that are only wider leave most cameras where demonstrations had them."""
    trained, moved = VARIATIONS["none"].cameras, VARIATIONS["camera"].cameras
    CELL.scene.move_cameras(np.random.default_rng(0), moved._replace(metres=(0.0, 0.0)))
    nominal = CELL.scene.model.cam_pos.copy()
    for name, bounds in (("none", trained), ("camera", moved)):
        CELL.reset(CELL.task, seed, name)
        off = np.abs(CELL.scene.model.cam_pos - nominal)
        least, most = bounds.metres
        assert np.all((off >= least - 1e-12) & (off <= most + 1e-12))
    assert moved.metres[0] >= 4 * trained.metres[1] and moved.radians[0] >= 4 * trained.radians[1]


@pytest.mark.parametrize("variation", [name for name in VARIATIONS if name != "none"])
@pytest.mark.parametrize("task", LAID_OUT)
def test_what_is_named_is_still_seen(task: str, variation: str) -> None:
    """A goal outside the picture tells nothing of a model that looks for it there."""
    for seed in range(12):
        CELL.reset(task, seed, variation)
        labels, model = CELL.segmentation("front"), CELL.scene.model
        for body in filter(None, (CELL.goal.subject, CELL.goal.target)):
            geoms = np.flatnonzero(model.geom_bodyid == model.body(body).id)
            assert np.isin(labels, geoms).sum() > 20, (task, variation, seed, body)


@pytest.mark.slow
@pytest.mark.parametrize("task", LAID_OUT)
def test_the_expert_does_what_is_held_out(task: str) -> None:
    """Places that the arm cannot serve make every model fail alike."""
    executor = Executor(CELL.robot)
    results = [
        run_episode(CELL, executor, ExpertPolicy(CELL, np.random.default_rng(s)), task, s, variation="places")
        for s in range(2000, 2020)
    ]
    assert sum(result.success for result in results) >= 18


def test_an_unknown_variation_is_refused_with_the_known_ones() -> None:
    """A mistyped name measured the plain episodes."""
    with pytest.raises(ContractError, match="camera, colours, none, places"):
        CELL.reset("reach", 0, "place")
