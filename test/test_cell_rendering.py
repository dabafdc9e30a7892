"""The cell's renderers: whatever a machine offers, the pictures are the same."""

from collections.abc import Iterator
from dataclasses import replace

import mujoco
import numpy as np
import pytest

from wam_core.cell.cell import Cell
from wam_core.cell.rendering import RENDERERS, choose_renderer, works
from wam_core.cell.tasks import TASKS
from wam_core.errors import ContractError
from wam_core.robot.contract import RobotContract
from wam_core.robot.robot_file import load_robot

#: One picture of this many grey levels off on average is still the same picture to a policy.
SAME = 4.0


@pytest.fixture(scope="module")
def robot() -> RobotContract:
    return load_robot("panda_cell")


@pytest.fixture(scope="module", params=[name for name in RENDERERS if works(name)])
def cells(request: pytest.FixtureRequest, robot: RobotContract) -> Iterator[tuple[Cell, Cell]]:
    """A cell on each renderer that works here, and one on the renderer that always does."""
    yield Cell(robot, request.param), Cell(robot, "raycast")


@pytest.mark.parametrize("task", TASKS)
def test_renderers_agree(cells: tuple[Cell, Cell], robot: RobotContract, task: str) -> None:
    """Prevents a policy that was trained on one machine and is blind on another."""
    one, reference = cells
    for seed in range(3):
        for cell in cells:
            cell.reset(task, seed)
        for camera in robot.cameras:
            difference = one.image(camera.name).astype(float) - reference.image(camera.name)
            assert np.abs(difference).mean() <= SAME, (camera.name, seed)


def test_depth_and_segmentation_agree(cells: tuple[Cell, Cell], robot: RobotContract) -> None:
    """Prevents depth along the ray instead of the axis, in other units, upside down, or other labels."""
    one, reference = cells
    for cell in cells:
        cell.reset("drawer", 1)
    for camera in robot.cameras:
        labels = one.segmentation(camera.name)
        assert (labels == reference.segmentation(camera.name)).mean() > 0.97
        depth, expected = one.depth(camera.name), reference.depth(camera.name)
        finite = np.isfinite(depth) & np.isfinite(expected)
        assert np.median(np.abs(depth[finite] - expected[finite])) < 1e-3
        assert np.isinf(depth[labels < 0]).all()


@pytest.mark.parametrize("size", [(640, 480), (48, 96)])
def test_any_size_can_be_rendered(robot: RobotContract, size: tuple[int, int]) -> None:
    """Prevents pictures that only come out right when square, or at the size of the embedded contract."""
    cameras = tuple(replace(camera, width=size[0], height=size[1]) for camera in robot.cameras)
    images = [Cell(replace(robot, cameras=cameras), name).image("front") for name in RENDERERS if works(name)]
    for image in images:
        assert image.shape == (size[1], size[0], 3)
        assert np.abs(image.astype(float) - images[-1]).mean() <= SAME


def test_a_picture_does_not_depend_on_others(robot: RobotContract) -> None:
    """Prevents renderers that share or free one another's GL objects."""
    name = choose_renderer("auto")
    cell = Cell(robot, name)
    cell.reset("push", 0)
    before = cell.image("front")
    other = Cell(robot, name)
    other.reset("drawer", 0)
    other.image("wrist")
    del other
    cell.reset("pick_place", 0)
    cell.image("side")
    cell.reset("push", 0)
    np.testing.assert_array_equal(cell.image("front"), before)


def test_raycast_shading() -> None:
    """Prevents a wrong light: ambient plus diffuse times the cosine to the light, times the colour."""
    model = mujoco.MjModel.from_xml_string(
        """
        <mujoco>
          <visual><headlight active="0"/></visual>
          <worldbody>
            <light type="directional" dir="0.6 0 -0.8" ambient=".2 .2 .2" diffuse=".5 .5 .5"/>
            <camera name="eye" pos="0 0 1"/>
            <geom type="box" size="1 1 .1" rgba="1 .5 0 1"/>
          </worldbody>
        </mujoco>
        """
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    expected = np.rint((0.2 + 0.5 * 0.8) * np.array([1.0, 0.5, 0.0]) * 255)
    np.testing.assert_array_equal(RENDERERS["raycast"](model).colour(data, "eye", 4, 4)[2, 2], expected)


def test_a_renderer_that_does_not_work_is_named(monkeypatch: pytest.MonkeyPatch, robot: RobotContract) -> None:
    """Prevents a crash, or silence, on a machine without GL: auto falls back and says so, a wish is refused."""
    monkeypatch.setattr("wam_core.cell.rendering.works", lambda name: name == "raycast")
    assert Cell(robot).renderer == "raycast"
    with pytest.raises(ContractError, match="egl"):
        Cell(robot, "egl")
