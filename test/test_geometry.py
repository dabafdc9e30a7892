"""Where pixels look: held against the true surfaces of the cell."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from wam_core.cell.build import VIEWS
from wam_core.cell.cell import Cell
from wam_core.cell.scene import Displacement
from wam_core.cell.sensors import HAND
from wam_core.errors import ContractError
from wam_core.preprocess.images import ImageLayout
from wam_core.preprocess.senses import channels_of
from wam_core.robot.binding import differences
from wam_core.robot.contract import RobotContract
from wam_core.robot.geometry import Geometry
from wam_core.robot.lens import Lens
from wam_core.robot.robot_file import from_dict, load_robot
from wam_core.robot.tool_pose import encode_tool_pose

ROBOT = load_robot("panda_cell")
CAMERAS = ("front", "side", "wrist")
#: Every pixel of the cameras as it is.
WHOLE = ImageLayout(CAMERAS, 128, 128)
BOX, SPHERE, CYLINDER = (int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}")) for name in ("BOX", "SPHERE", "CYLINDER"))


def calibrated_cell(task: str, seed: int) -> Cell:
    """An episode whose cameras are where the URDF says, and whose arm is somewhere."""
    cell = Cell(ROBOT, "raycast")
    cell.reset(task, seed)
    scene, rng = cell.scene, np.random.default_rng(seed)
    scene.move_cameras(rng, Displacement((0.0, 0.0), (0.0, 0.0)))
    for joint, home in zip(ROBOT.joints, ROBOT.home, strict=True):
        scene.data.joint(joint).qpos[0] = home + rng.uniform(-0.15, 0.15)
    mujoco.mj_forward(scene.model, scene.data)
    return cell


def laid_out_depth(cell: Cell) -> np.ndarray:
    return np.concatenate([cell.depth(camera) for camera in CAMERAS], axis=1)


def off_surface(cell: Cell, points: np.ndarray, geoms: np.ndarray) -> np.ndarray:
    """``[K]`` m from ``points [K, 3]`` to the surface of the geom that each was seen on."""
    model, data = cell.scene.model, cell.scene.data
    off = np.empty(len(points))
    for geom in np.unique(geoms):
        on = geoms == geom
        local = (points[on] - data.geom_xpos[geom]) @ data.geom_xmat[geom].reshape(3, 3)
        size, kind = model.geom_size[geom], model.geom_type[geom]
        if kind == SPHERE:
            off[on] = np.linalg.norm(local, axis=1) - size[0]
            continue
        assert kind in (BOX, CYLINDER), f"the cell has got geoms of another type, {kind}"
        if kind == CYLINDER:
            local, size = np.stack((np.hypot(*local.T[:2]), local[:, 2]), axis=1), size[:2]
        beyond = np.abs(local) - size
        off[on] = np.linalg.norm(np.maximum(beyond, 0.0), axis=1) + np.minimum(beyond.max(axis=1), 0.0)
    return np.abs(off)


@pytest.mark.parametrize(("task", "seed"), [("reach", 0), ("push", 1), ("pick_place", 2), ("drawer", 3)])
def test_what_is_seen_lies_on_the_surfaces_that_are_there(task: str, seed: int) -> None:
    """A point cloud stood a centimetre beside the block, mirrored, or turned with the wrist."""
    cell = calibrated_cell(task, seed)
    points = Geometry(ROBOT, WHOLE).unproject(laid_out_depth(cell)[None], cell.tool_pose()[None])[0]
    geoms = np.concatenate([cell.segmentation(camera) for camera in CAMERAS], axis=1)
    hit = geoms >= 0
    assert np.isnan(points[~hit]).all() and hit.mean() > 0.8
    off = off_surface(cell, points[hit], geoms[hit])
    assert off.max() < 0.002, f"{1000 * off.max():.1f} mm"


def test_points_of_a_smaller_picture_are_beside_the_surfaces_by_no_more_than_its_pixels() -> None:
    """Smaller depth was the mean over edges: points hung in the air between a finger and the table."""
    layout, off = ImageLayout(("front", "wrist"), 64, 64), []
    for task, seed in (("reach", 0), ("push", 1), ("drawer", 3)):
        cell = calibrated_cell(task, seed)
        depth = channels_of(ROBOT, ("depth",), {f"{c}_depth": cell.depth(c) for c in layout.cameras}, layout)["depth"]
        points = Geometry(ROBOT, layout).unproject(depth[None].astype(float), cell.tool_pose()[None])[0].reshape(-1, 3)
        points = points[np.isfinite(points[:, 2])]
        geoms = np.flatnonzero(np.isin(cell.scene.model.geom_type, (BOX, SPHERE, CYLINDER)))
        off.append(np.min([off_surface(cell, points, np.full(len(points), g)) for g in geoms], axis=0))
    assert np.median(np.concatenate(off)) < 0.0015 and np.concatenate(off).max() < 0.007


def test_a_camera_that_is_not_quite_where_it_should_be_shows_by_how_much() -> None:
    """The cell moves its cameras a little from episode to episode, as bad calibration would: a bound for what follows
    from points."""
    cell = Cell(ROBOT, "raycast")
    errors = []
    for seed in range(3):
        cell.reset("push", seed)
        points = Geometry(ROBOT, WHOLE).unproject(laid_out_depth(cell)[None], cell.tool_pose()[None])[0]
        geoms = np.concatenate([cell.segmentation(camera) for camera in CAMERAS], axis=1)
        blocks = [cell.scene.model.body(f"block_{k}").id for k in range(2)]
        on_block = np.isin(geoms, np.flatnonzero(np.isin(cell.scene.model.geom_bodyid, blocks)))
        errors.append(off_surface(cell, points[on_block], geoms[on_block]).max())
    assert 0.001 < max(errors) < 0.025


def test_calibration_is_that_of_the_scene() -> None:
    """The robot file said one camera, and the cell had another."""
    cell = Cell(ROBOT, "raycast")
    cell.scene.move_cameras(np.random.default_rng(0), Displacement((0.0, 0.0), (0.0, 0.0)))
    mujoco.mj_forward(cell.scene.model, cell.scene.data)
    geometry = Geometry(ROBOT, WHOLE)
    for name in CAMERAS:
        rotation, position = geometry.pose(name, cell.tool_pose()[None])
        camera = cell.scene.data.camera(name)
        np.testing.assert_allclose(position[0], camera.xpos, atol=1e-6)
        np.testing.assert_allclose(rotation[0] @ np.diag([1, -1, -1]), camera.xmat.reshape(3, 3), atol=1e-6)
        assert ROBOT.camera(name).lens.fy == pytest.approx(64 / np.tan(np.radians(VIEWS[name].fovy) / 2))  # type: ignore[union-attr]
        assert geometry.views[name].on_tool == (VIEWS[name].body == HAND)


@settings(max_examples=40, deadline=None)
@given(
    arrays(float, (5, 3), elements=st.floats(-0.3, 0.3)),
    arrays(float, 6, elements=st.floats(-1.0, 1.0)),
    st.sampled_from([
        ImageLayout(("front", "wrist"), 64, 48),
        ImageLayout(("side", "front"), 32, 32, "vertical"),
        ImageLayout(CAMERAS, 64, 64, "head_above_wrists"),
        ImageLayout(("wrist",), 40, 40, upside_down=True),
    ]),
)  # fmt: skip
def test_points_come_back_from_the_pixels_they_were_projected_to(
    points: np.ndarray, pose: np.ndarray, layout: ImageLayout
) -> None:
    """A layout that resizes, stacks or turns pictures moved the points with it."""
    geometry = Geometry(ROBOT, layout)
    proprioception = np.concatenate((pose, [0.5]))[None]
    for name, view in geometry.views.items():
        rotation, position = geometry.pose(name, proprioception)
        ahead = points + (0.0, 0.0, 0.8)
        pixels, depth = geometry.project(name, ahead @ rotation[0].T[None] + position, proprioception)
        np.testing.assert_allclose(depth[0], ahead[:, 2], atol=1e-9)
        np.testing.assert_allclose(view.lens.unproject(pixels[0], depth[0]), ahead, atol=1e-9)


def test_a_turned_picture_shows_its_right_on_the_left() -> None:
    """LIBERO's pictures are turned, and their points were not."""
    upright, turned = (
        Geometry(ROBOT, ImageLayout(("front",), 64, 64, upside_down=flag)).views["front"].lens for flag in (False, True)
    )
    right = np.array([0.1, 0.0, 1.0])
    (x, y), (turned_x, turned_y) = upright.project(right)[0], turned.project(right)[0]
    assert x > 40 and turned_x == pytest.approx(63 - x) and turned_y == pytest.approx(63 - y)


def test_halves_of_pixels_are_not_lost_in_a_smaller_picture() -> None:
    """The centre of a picture of half the size was taken to be at half the centre's number."""
    lens = Lens(100.0, 100.0, 63.5, 63.5).tile((128, 128), (0, 64, 64, 64))
    assert (lens.fx, lens.cx, lens.cy) == (50.0, 64 + 31.5, 31.5)


def test_what_lies_behind_a_camera_has_no_pixel() -> None:
    """What was behind the wrist camera was drawn into its picture."""
    pixels, depth = Lens(100.0, 100.0, 63.5, 63.5).project(np.array([[0.1, 0.0, -1.0], [0.0, 0.0, 1.0]]))
    assert np.isnan(pixels[0]).all() and np.isfinite(pixels[1]).all() and depth.tolist() == [-1.0, 1.0]


def changed(**values: object) -> RobotContract:
    raw = ROBOT.to_dict()
    raw["cameras"][0] = {**raw["cameras"][0], **values}
    return from_dict(raw)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lens": None}, r"cameras\.front\.lens.*fx, fy, cx, cy"),
        ({"frame": "attic"}, r"cameras\.front\.frame.*attic.*panda_cell\.urdf"),
        ({"frame": "panda_link4"}, r"cameras\.front\.frame.*base or to the tool"),
    ],
)
def test_a_camera_without_a_place_is_named(values: dict[str, object], message: str) -> None:
    """A robot without calibration got points from the middle of nowhere."""
    with pytest.raises(ContractError, match=message):
        Geometry(changed(**values), WHOLE)


@pytest.mark.parametrize(
    ("lens", "message"),
    [
        ({"fx": -1.0, "fy": 100.0, "cx": 64, "cy": 64}, r"front\.lens\.fx.*positive"),
        ({"fx": 100.0, "fy": 100.0, "cx": 640, "cy": 64}, r"front\.lens\.cx.*128 x 128"),
        ({"fx": 100.0, "fy": float("nan"), "cx": 64, "cy": 64}, r"front\.lens\.fy"),
        ({"fx": 100.0, "fy": 100.0, "cx": 64}, r"front\.lens\.cy.*missing"),
    ],
)
def test_a_lens_that_no_camera_has_is_refused(lens: dict[str, float], message: str) -> None:
    """A calibration of another resolution was read as if it were this one's."""
    with pytest.raises(ContractError, match=message):
        changed(lens=lens)


def test_contracts_from_before_lenses_were_known_still_bind() -> None:
    """A checkpoint of last month refused the robot that it was trained on."""
    assert not list(differences(changed(lens=None), ROBOT))
    other = changed(lens={"fx": 150.0, "fy": 150.0, "cx": 63.5, "cy": 63.5})
    assert [e.field for e in differences(ROBOT, other)] == ["robot.cameras.front.lens"]
    assert from_dict(ROBOT.to_dict()).cameras == ROBOT.cameras


def test_the_tool_pose_places_the_wrist_camera() -> None:
    """The wrist camera stayed where it was when the arm moved."""
    geometry = Geometry(ROBOT, ImageLayout(("wrist",), 64, 64))
    turn = Rotation.from_euler("xyz", (np.pi, 0.0, 0.3)).as_matrix()
    poses = [encode_tool_pose(ROBOT, turn, np.array(p), np.array([0.02])) for p in ([0.4, 0.0, 0.2], [0.5, 0.1, 0.2])]
    _, positions = geometry.pose("wrist", np.stack(poses))
    np.testing.assert_allclose(positions[1] - positions[0], [0.1, 0.1, 0.0], atol=1e-12)
