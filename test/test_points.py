"""Depth, normals, 3D flow and tracks, on what the cell really shows."""

from dataclasses import dataclass, replace
from functools import cache

import mujoco
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wam_core.cell.cell import Cell
from wam_core.cell.scene import Displacement
from wam_core.errors import ContractError
from wam_core.preprocess.images import ImageLayout
from wam_core.robot.geometry import Geometry
from wam_core.robot.robot_file import load_robot
from wam_core.robot.tool_solids import ToolSolids
from wam_core.substrates.depth import DepthSpec, RgbdnSpec, normals, shrunk
from wam_core.substrates.depth_code import depth_code, depth_of
from wam_core.substrates.point_flow import PointFlowSpec
from wam_core.substrates.point_tracks import PointTracksSpec
from wam_core.substrates.substrate import Clip, Scenes, SubstrateSpec

ROBOT = load_robot("panda_cell")
LAYOUT = ImageLayout(("front", "wrist"), 128, 128)
CLIP = Clip(LAYOUT, instants=4, stride=4, robot=ROBOT)
ROWS = np.arange(5)[None]


@dataclass(frozen=True)
class Filmed:
    """Five instants of the cell, and for each pixel of the first the geom that is seen and where that point is then."""

    scenes: Scenes
    geoms: np.ndarray
    truth: np.ndarray
    hand: np.ndarray
    block: np.ndarray


@cache
def filmed(seed: int) -> Filmed:
    """The arm comes down while the block slides and turns; cameras are where they are said to be."""
    cell = Cell(ROBOT, "raycast")
    cell.reset("push", seed)
    scene, rng = cell.scene, np.random.default_rng(seed)
    scene.move_cameras(rng, Displacement((0.0, 0.0), (0.0, 0.0)))
    model, data = scene.model, scene.data
    block, step = model.body("block_0").id, rng.uniform(-0.06, 0.06, 7)
    begin = scene.position("block_0")
    rows: dict[str, list[np.ndarray]] = {n: [] for n in ("images", "proprioception", "depth", "object", "object_pose")}
    truth, local = [], np.zeros(0)
    geometry = Geometry(ROBOT, LAYOUT)
    geoms = np.zeros(0, int)
    for k in range(5):
        for joint, home, off in zip(ROBOT.joints, ROBOT.home, step, strict=True):
            data.joint(joint).qpos[0] = home + k * off
        data.joint("panda_finger_joint1").qpos[0] = data.joint("panda_finger_joint2").qpos[0] = 0.04 - 0.008 * k
        scene.place("block_0", begin + k * np.array([0.02, 0.01, 0.0]), yaw=0.2 * k)
        mujoco.mj_forward(model, data)
        seen = {c: (cell.image(c), cell.depth(c), cell.segmentation(c)) for c in LAYOUT.cameras}
        image, depth, segments = (np.concatenate([seen[c][i] for c in LAYOUT.cameras], axis=1) for i in range(3))
        rows["images"].append(image)
        rows["depth"].append(depth)
        rows["proprioception"].append(cell.tool_pose())
        rows["object"].append(np.isin(segments, np.flatnonzero(model.geom_bodyid == block)))
        rows["object_pose"].append(np.array([*scene.position("block_0"), 0.0, 0.0, 0.2 * k]))
        if not k:
            geoms = segments
            points = geometry.unproject(depth[None], cell.tool_pose()[None])[0]
            places = data.geom_xpos[geoms], data.geom_xmat[geoms].reshape(*geoms.shape, 3, 3)
            local = np.einsum("hwji,hwj->hwi", places[1], points - places[0])
        turned = np.einsum("hwij,hwj->hwi", data.geom_xmat[geoms].reshape(*geoms.shape, 3, 3), local)
        truth.append(turned + data.geom_xpos[geoms])
    stacked = {name: np.stack(values) for name, values in rows.items()}
    scenes = Scenes(stacked.pop("images"), stacked)
    bodies = [model.body(n).id for n in ("panda_hand", "panda_leftfinger", "panda_rightfinger", "panda_link7")]
    body = np.where(geoms >= 0, model.geom_bodyid[geoms], -1)
    return Filmed(scenes, geoms, np.stack(truth), np.isin(body, bodies), body == block)


def decoded(spec: SubstrateSpec, scenes: Scenes) -> np.ndarray:
    substrate, present = spec.build(CLIP), spec.shape(CLIP).tokens("present")
    features = substrate.encode(scenes, ROWS)
    assert features.dtype == torch.float32 and float(features.abs().max()) <= 5.0
    return substrate.decode(features[:, :present], features[:, present:])[0]


@settings(deadline=None)
@given(arrays(float, 8, elements=st.floats(0.01, 9.0)))
def test_depth_comes_back_from_its_code(depth: np.ndarray) -> None:
    """Depth was cut off at a metre, or nothing became something far away."""
    np.testing.assert_allclose(depth_of(depth_code(depth)), depth, rtol=1e-9)
    assert np.isinf(depth_of(depth_code(np.array([np.inf, 12.0])))).all()


def test_depth_is_that_of_the_surface_in_the_middle_of_each_block() -> None:
    """Between a finger and the table behind it, depth maps had a wall of points that were nowhere."""
    plane = 1.0 / (1.0 + 0.002 * np.arange(64)[:, None] + 0.001 * np.arange(64))
    centres = np.arange(1.5, 64, 4)
    expected = 1.0 / (1.0 + 0.002 * centres[:, None] + 0.001 * centres)
    np.testing.assert_allclose(shrunk(plane, 4), expected, rtol=1e-12)
    edge = np.where(np.arange(64) < 30, 0.4, 1.0) * np.ones((64, 1))
    edge[:, 50:] = np.inf
    small = shrunk(edge, 4)
    assert set(np.unique(small)) == {0.4, 1.0, np.inf}


@pytest.mark.parametrize("seed", range(3))
def test_depth_of_the_cell_is_decoded_to_millimetres(seed: int) -> None:
    """Depth went through half precision, and lost centimetres."""
    film, spec = filmed(seed), DepthSpec("depth", shrink=1, patch=8)
    substrate = spec.build(CLIP)
    features = substrate.encode(film.scenes, ROWS).half().float()
    values = substrate.decode(features[:, :512], features[:, 512:])[0]
    truth = film.scenes.channel("depth")[1:]
    assert np.array_equal(np.isinf(values), np.isinf(truth))
    near = truth < 2.0
    assert near.mean() > 0.8 and np.abs(values[near] - truth[near]).max() < 0.003


def test_normals_of_the_table_point_up_and_those_of_edges_are_missing() -> None:
    """Normals were those of another camera's frame, or pointed away from it; edges had normals of their own."""
    film, geometry = filmed(0), Geometry(ROBOT, LAYOUT)
    values = decoded(RgbdnSpec("rgbdn", shrink=1, patch=8), film.scenes)
    state = film.scenes.channel("proprioception")
    rotation, _ = geometry.pose("front", state[1:])
    up = np.einsum("tij,thwj->thwi", rotation, values[:, :, :128, 4:])
    height = geometry.unproject(film.scenes.channel("depth")[1:], state[1:])[:, :, :128, 2]
    flat = np.abs(height) < 0.001
    eroded = flat & np.roll(flat, 2, 1) & np.roll(flat, -2, 1) & np.roll(flat, 2, 2) & np.roll(flat, -2, 2)
    assert eroded.mean() > 0.2
    length = np.linalg.norm(values[..., 4:], axis=-1)
    found = length[:, :, :128] > 0.5
    assert found[eroded].mean() > 0.95 and (up[eroded & found][:, 2] > 0.99).mean() > 0.99
    assert np.all((length < 1e-6) | (np.abs(length - 1.0) < 1e-3)) and (length < 1e-6).any()
    towards = np.einsum("thwi,thwi->thw", values[..., 4:], np.nan_to_num(geometry.seen(values[..., 3])))
    assert (towards[length > 0.5] < 0.0).mean() > 0.999, "what is seen faces the camera"


def test_between_two_surfaces_there_is_no_normal() -> None:
    """From a finger to the table behind it there was a wall, which faced sideways."""
    depth = np.ones((128, 256))
    depth[:, 64:128] = 0.5
    found = normals(Geometry(ROBOT, LAYOUT), depth)[1:127, :128]
    assert not found[:, 63:65].any() and (found[:, [*range(1, 63), *range(65, 127)], 2] < -0.99).all()


@pytest.mark.parametrize("seed", range(3))
def test_flow_in_space_is_that_of_hand_block_and_table(seed: int) -> None:
    """The block's points went with the hand, turned about the wrong axis, or the fingers did not close."""
    film = filmed(seed)
    flow = decoded(PointFlowSpec("point_flow", cell=2, patch=4), film.scenes)
    known, there = flow[..., 3] > 0.5, film.geoms[1::2, 1::2].repeat(2, 0).repeat(2, 1) >= 0
    truth = film.truth[1:] - film.truth[:1]
    truth = truth[:, 1::2, 1::2].repeat(2, 1).repeat(2, 2)
    small = np.abs(truth).max(axis=-1) < 0.2
    off = np.linalg.norm(flow[..., :3] - truth, axis=-1)
    hand, block = (m[1::2, 1::2].repeat(2, 0).repeat(2, 1) for m in (film.hand, film.block))
    for part, least in ((hand, 100), (block, 40)):
        on = part[None] & small & known
        assert on.sum() > least and off[on].max() < 0.004, f"{1000 * off[on].max():.1f} mm"
        assert (known & part[None]).sum() == 4 * part.sum()
    everything = known & there[None] & small
    assert (off[everything] < 0.005).mean() > 0.97 and known[:, there].mean() > 0.85
    assert not known[:, ~there].any()


def test_what_is_seen_to_have_gone_is_not_said_to_stand_still() -> None:
    """A link of the arm that the tool pose does not place was taken for the table, and nothing for a point."""
    film = filmed(0)
    still = np.zeros((128, 256), bool)
    still[96:112, 8:24] = ~(film.hand | film.block)[96:112, 8:24]
    nothing = np.zeros_like(still)
    nothing[112:120, 32:48] = True
    depth = film.scenes.channel("depth").copy()
    depth[2:, still] += 0.1
    depth[0, nothing] = np.inf
    scenes = Scenes(film.scenes.images, {**film.scenes.channels, "depth": depth})
    known = decoded(PointFlowSpec("point_flow", cell=1, patch=8), scenes)[..., 3] > 0.5
    assert still.sum() > 200 and known[0, still].all() and not known[1:, still].any() and not known[:, nothing].any()


@pytest.mark.parametrize("seed", range(2))
def test_tracks_follow_the_same_points_through_a_camera_that_moves(seed: int) -> None:
    """Tracks of the wrist camera stood still with the table while the camera moved, or ended in what hides them."""
    film, geometry = filmed(seed), Geometry(ROBOT, LAYOUT)
    tracks = decoded(PointTracksSpec("point_tracks", cell=2, patch=4, tracker="scene"), film.scenes)
    state, y, x = film.scenes.channel("proprioception"), *np.mgrid[1:128:2, 129:256:2]
    later = film.truth[1:, 1:128:2, 129:256:2].reshape(4, -1, 3)
    pixels, _ = geometry.project("wrist", later, state[1:])
    moved = pixels.reshape(4, 64, 64, 2) - np.stack((x, y), axis=-1)
    found = tracks[:, ::2, 128::2]
    seen = (found[..., 2] > 0.5) & (np.abs(moved).max(axis=-1) < 19.0)
    assert seen.mean() > 0.3
    assert (np.linalg.norm(found[..., :2] - moved, axis=-1)[seen] < 0.7).mean() > 0.97
    hidden = film.block[1:128:2, 1:128:2]
    assert np.abs(moved[-1]).mean() > 1.0 and hidden.any()


def test_a_point_that_goes_behind_another_is_not_seen() -> None:
    """Tracks ran on across whatever came before them."""
    spec = PointTracksSpec("point_tracks", cell=4, patch=4, tracker="scene")
    scenes = filmed(0).scenes
    walled = dict(scenes.channels)
    depth = walled["depth"].copy()
    depth[2:, :, 60:80] = 0.3
    tracks = decoded(spec, Scenes(scenes.images, {**walled, "depth": depth}))
    before = decoded(spec, scenes)
    assert (before[0, :, 64:76, 2] > 0.5).mean() > 0.8 and (tracks[0, :, 64:76, 2] > 0.5).mean() > 0.8
    assert (tracks[2:, :, 64:76, 2] > 0.5).mean() < 0.05


def test_pictures_alone_give_tracks_of_what_can_be_told_apart() -> None:
    """A tracker on pictures took the next best corner for the point it had lost."""
    y, x = np.mgrid[:64, :128]
    frames = []
    for k in range(5):
        spots = np.sin((x - 1.5 * k) / 3.0) * np.sin(y / 3.0) + 0.5 * np.sin((x - 1.5 * k + 2 * y) / 5.0)
        frames.append(np.where(x < 64, 120 + 60 * spots, 90)[..., None].repeat(3, -1).astype(np.uint8))
    clip = Clip(ImageLayout(("front", "wrist"), 64, 64), instants=4, stride=4)
    spec = PointTracksSpec("point_tracks", cell=4, patch=4, tracker="pictures")
    assert spec.channels == ()
    features = spec.build(clip).encode(Scenes(np.stack(frames)), ROWS)
    tracks = spec.build(clip).decode(features[:, :0], features)[0]
    middle = tracks[:, 12:52, 12:44]
    assert (middle[..., 2] > 0.5).mean() > 0.9
    np.testing.assert_allclose(middle[middle[..., 2] > 0.5][:, 1], 0.0, atol=0.3)
    for k in range(4):
        seen = middle[k][middle[k][..., 2] > 0.5]
        assert np.abs(np.median(seen[:, 0]) - 1.5 * (k + 1)) < 0.2
    assert not (tracks[:, 12:52, 64 + 4 : 124, 2] > 0.5).any() or np.abs(tracks[:, :, 68:124, :2]).max() < 1.0
    with pytest.raises(ContractError, match=r"tracker.*scene, pictures"):
        replace(spec, tracker="guess").shape(clip)


def test_points_of_the_hand_lie_on_the_hand_of_the_cell() -> None:
    """The second finger, which follows the first, stayed half open."""
    cell = Cell(ROBOT, "raycast")
    data, model = cell.scene.data, cell.scene.model
    for joint in ("panda_finger_joint1", "panda_finger_joint2"):
        data.joint(joint).qpos[0] = 0.007
    mujoco.mj_forward(model, data)
    solids = ToolSolids(ROBOT)
    solid, local = solids.surface(300)
    rotation, position = (of[0] for of in solids.frames(cell.tool_pose()[None]))
    points = np.einsum("kij,kj->ki", rotation[solid], local) + position[solid]
    hand = [model.body(n).id for n in ("panda_hand", "panda_leftfinger", "panda_rightfinger", "panda_link7")]
    geoms = np.flatnonzero(np.isin(model.geom_bodyid, hand))
    assert len(solids.solids) == len(geoms)
    np.testing.assert_allclose(np.sort(position, axis=0), np.sort(data.geom_xpos[geoms], axis=0), atol=1e-6)
    assert float(solids.nearest(points, cell.tool_pose())[1].max()) < 1e-9
    assert len(set(solid.tolist())) == len(geoms)
