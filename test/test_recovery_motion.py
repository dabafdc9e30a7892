"""What the arm does in a future, read off the true future: recoveries are tried, and not what generates futures."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recovered import GEOMETRY, LAYOUT, ROBOT, misses, truth

from wam_core.errors import ContractError
from wam_core.preprocess.images import ImageLayout
from wam_core.recovery.heatmap import HeatmapSpec, meeting
from wam_core.recovery.jacobian import JacobianSpec
from wam_core.recovery.recovery import Foreseen
from wam_core.recovery.rigid_motion import RigidMotionSpec
from wam_core.recovery.tracking import follow
from wam_core.substrates.substrate import Clip, Scenes, SubstrateSpec
from wam_core.substrates.tool_heatmap import ToolHeatmapSpec
from wam_core.substrates.tool_points import ToolPointsSpec

RIGID = RigidMotionSpec("rigid_motion", "future", radius=0.12, behind=0.2, beyond=0.03)

HEATMAP, JACOBIAN = HeatmapSpec("heatmap", "future"), JacobianSpec("jacobian", "future", length=0.08)


def test_the_tools_motion_is_read_off_the_flow_of_what_moves_with_it() -> None:
    """Motion in the picture was taken for the arm's: upside down, about the camera, or in the camera's frame."""
    foreseen, poses = truth()
    found = RIGID.way_points(foreseen)
    far, turned = misses(found, poses)
    assert np.linalg.norm(poses[-1, :3] - foreseen.pose[:3]) > 0.12
    assert far.max() < 20.0 and turned.max() < 5.0 and found.trust.min() > 0.8


@pytest.mark.parametrize("camera", ["side", "wrist"])
def test_one_camera_beside_the_arm_or_on_it_says_which_way_it_goes(camera: str) -> None:
    """A camera on the tool sees everything move the other way."""
    foreseen, poses = truth(ImageLayout((camera,), 128, 128))
    found = RIGID.way_points(foreseen)
    way, true = (p[3, :3] - foreseen.pose[:3] for p in (found.poses, poses))
    assert way @ true > 0.9 * np.linalg.norm(way) * np.linalg.norm(true)


def test_a_future_in_which_nothing_moves_keeps_the_arm_where_it_is() -> None:
    """Noise of the flow was summed up to a motion."""
    foreseen, _ = truth()
    still = replace(foreseen, future=np.repeat(foreseen.scenes.images, 4, axis=0))
    far, turned = misses(RIGID.way_points(still), np.tile(foreseen.pose, (4, 1)))
    assert far.max() < 1.0 and turned.max() < 0.5


def test_a_future_of_nothing_that_was_there_is_not_trusted() -> None:
    """Whatever a generator made up moved the arm as surely as what it had been trained to show."""
    foreseen, _ = truth()
    noise = np.random.default_rng(0).integers(0, 255, foreseen.future.shape, dtype=np.uint8)
    assert RIGID.way_points(replace(foreseen, future=noise)).trust.max() < 0.5


def test_depth_that_is_missing_is_named() -> None:
    """Pixels without depth were points at the camera."""
    foreseen, _ = truth()
    bare = {"proprioception": foreseen.scenes.channels["proprioception"]}
    with pytest.raises(ContractError, match=r"scenes\.depth"):
        RIGID.way_points(replace(foreseen, scenes=Scenes(foreseen.scenes.images, bare)))


def shown(spec: SubstrateSpec) -> tuple[Foreseen, np.ndarray]:
    """A true future in a substrate, from the poses of a path."""
    foreseen, poses = truth()
    states = np.vstack([foreseen.pose, poses])
    states = np.column_stack([states, np.ones(len(states))])
    scenes = Scenes(np.repeat(foreseen.scenes.images, len(states), axis=0), {"proprioception": states})
    clip = Clip(LAYOUT, len(poses), 2, ROBOT)
    substrate = spec.build(clip)
    features = substrate.encode(scenes, np.arange(len(states))[None])
    return replace(foreseen, future=substrate.decode(features[:, :0], features)[0]), poses


def test_heat_maps_of_two_cameras_say_where_the_tool_goes() -> None:
    """Rays were cast from the wrong camera, or half a pixel beside the peak."""
    foreseen, poses = shown(ToolHeatmapSpec("tool_heatmap", cell=2, patch=4, spread=1.5))
    found = HEATMAP.way_points(foreseen)
    assert misses(found, poses)[0].max() < 4.0 and found.trust.min() > 0.7
    assert np.allclose(found.poses[:, 3:], foreseen.pose[3:])


def test_a_map_without_a_peak_and_peaks_of_two_different_things_are_not_trusted() -> None:
    """The highest of nothing was as good as the tool, and two cameras that saw different things met half-way."""
    foreseen, _ = shown(ToolHeatmapSpec("tool_heatmap", cell=2, patch=4, spread=1.5))
    top, left, height, width = GEOMETRY.views["side"].region
    tile = (slice(None), slice(top, top + height), slice(left, left + width))
    blind, astray = foreseen.future.copy(), foreseen.future.copy()
    blind[tile] *= 0.2
    astray[tile] = np.roll(astray[tile], 20, axis=1)
    assert HEATMAP.way_points(replace(foreseen, future=blind)).trust.max() == 0.0
    assert HEATMAP.way_points(replace(foreseen, future=astray)).trust.max() < 0.3
    with pytest.raises(ContractError, match=r"layout\.cameras"):
        HEATMAP.way_points(truth(ImageLayout(("side", "wrist"), 128, 128)).foreseen)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=3), st.floats(0.1, 10.0))
def test_rays_through_a_point_meet_there_whatever_they_weigh(point: list[float], weight: float) -> None:
    """Triangulation was drawn towards the camera that was surer."""
    origins = np.array([[2.0, 0.0, 1.0], [0.0, 2.5, 1.5], [-1.5, -2.0, 2.0]])
    ways = np.array(point) - origins
    met, apart = meeting(origins, ways / np.linalg.norm(ways, axis=1)[:, None], np.array([1.0, weight, 1.0]))
    assert np.allclose(met, point, atol=1e-6) and apart < 1e-6


def test_points_of_the_tool_say_how_it_moves_and_turns() -> None:
    """The Jacobian was that of another camera's axes, or of a turn about the base."""
    foreseen, poses = shown(ToolPointsSpec("tool_points", length=0.08))
    found = JACOBIAN.way_points(foreseen)
    far, turned = misses(found, poses)
    assert far.max() < 1.0 and turned.max() < 0.5 and found.trust.min() > 0.9
    noise = np.random.default_rng(0).normal(0.0, 0.5, foreseen.future.shape) / (192, 64)
    far, turned = misses(JACOBIAN.way_points(replace(foreseen, future=foreseen.future + noise)), poses)
    assert far.max() < 15.0 and turned.max() < 10.0


def test_points_that_no_pose_of_the_tool_explains_are_not_trusted() -> None:
    """Points scattered by a generator moved the arm to wherever the least squares ended."""
    foreseen, _ = shown(ToolPointsSpec("tool_points", length=0.08))
    scattered = np.random.default_rng(0).random(foreseen.future.shape)
    assert JACOBIAN.way_points(replace(foreseen, future=scattered)).trust.max() < 0.2
    with pytest.raises(ContractError, match=r"recovery\.future"):
        JACOBIAN.way_points(replace(foreseen, future=foreseen.future[..., :2, :]))


def test_what_is_no_longer_there_is_not_found() -> None:
    """Flow always ends somewhere: points of what had gone were followed to whatever was there instead."""
    rng = np.random.default_rng(0)
    before, other = (cv2.GaussianBlur(rng.integers(0, 255, (64, 64), np.uint8), (0, 0), 2.0) for _ in range(2))
    pixels = np.stack(np.meshgrid(np.arange(12.0, 50.0, 4.0), np.arange(12.0, 50.0, 4.0)), axis=-1).reshape(-1, 2)
    moved = follow(before, np.roll(before, (2, 3), axis=(0, 1)), pixels, pixels)
    assert moved.found.mean() > 0.9 and np.abs(moved.pixels - pixels - (3.0, 2.0))[moved.found].max() < 0.2
    assert follow(before, other, pixels, pixels).found.mean() < 0.4
