"""Cameras of which a rectangle is looked at: everything that looks at one looks at the same part of the world."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from distorted import GLASSES, behind
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernel_on_cpu import picture_of
from live_graph import ROBOT
from numpy.typing import NDArray
from test_preprocess_fused import sent

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, Future, Observation
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.messages import typestore
from wam_core.data.reader import read_episode
from wam_core.data.recorder import Recorder
from wam_core.data.senses import decode_sense, encode_sense
from wam_core.errors import ContractError
from wam_core.evaluation.comparison import Watch
from wam_core.evaluation.controls import _enlarged
from wam_core.evaluation.expert_policy import ExpertPolicy
from wam_core.evaluation.film import read_film
from wam_core.evaluation.rollout import run_episode
from wam_core.executor.executor import Executor
from wam_core.preprocess.images import ENCODINGS, ImageLayout, lay_out
from wam_core.preprocess.raw import RawImage, RawImages, camera_image
from wam_core.preprocess.senses import channels_of
from wam_core.preprocess.undistort import undistortion_of
from wam_core.robot.binding import differences
from wam_core.robot.contract import Camera, RobotContract
from wam_core.robot.crop import Crop
from wam_core.robot.geometry import Geometry
from wam_core.robot.robot_file import from_dict
from wam_ros import conversion

CROP = Crop(24, 8, 72, 96)


def cut(robot: RobotContract, crop: Crop | None, camera: str = "front") -> RobotContract:
    return replace(robot, cameras=tuple(replace(c, crop=crop) if c.name == camera else c for c in robot.cameras))


CUT = cut(ROBOT, CROP)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernel")


@pytest.fixture(scope="module")
def cell() -> Cell:
    found = Cell(CUT)
    found.reset("drawer", 3)
    return found


@st.composite
def crops(draw: st.DrawFn, height: int, width: int) -> Crop:
    wide, high = draw(st.integers(4, width)), draw(st.integers(4, height))
    return Crop(draw(st.integers(0, width - wide)), draw(st.integers(0, height - high)), wide, high)


@settings(max_examples=60, deadline=None)
@given(
    crops(48, 64),
    st.sampled_from(sorted(ENCODINGS)),
    st.sampled_from((None, *sorted(GLASSES))),
    st.booleans(),
    st.integers(5, 60),
    st.integers(5, 80),
    st.integers(0, 9),
)
@example(Crop(0, 0, 4, 14), "rgb8", None, False, 58, 5, 0)  # in floats half of it began at the row before
def test_kernel_and_reference_cut_alike(
    folder: Path, crop: Crop, encoding: str, glass: str | None, turned: bool, high: int, wide: int, seed: int
) -> None:
    """Prevents: a picture that is cut before it is straight, or after it is turned, or one pixel beside; and what lies
    outside mixed into its edges by resizing."""
    camera = replace(ROBOT.camera("front"), height=48, width=64, lens=None)
    camera = camera if glass is None else behind(camera, GLASSES[glass], 48, 64)
    robot = replace(ROBOT, cameras=(replace(camera, crop=crop),))
    image = replace(sent(encoding, 48, 64, seed, seed), undistortion=undistortion_of(camera))
    whole = image.rgb()
    raw = {"front": replace(image, window=robot.camera("front").window)}
    layout = ImageLayout(("front",), high, wide, upside_down=turned)
    expected = lay_out(robot, RawImages(raw), layout)
    assert np.abs(picture_of(folder, robot, raw, layout, "uint8").astype(int) - expected).max() <= 1
    part = whole[crop.y_offset : crop.y_offset + crop.height, crop.x_offset : crop.x_offset + crop.width]
    plain = replace(robot, cameras=(robot.camera("front").straight(),))
    assert np.array_equal(lay_out(plain, {"front": part}, layout), expected)


def test_pictures_of_the_cell_that_are_cut_agree_in_the_other_kinds(folder: Path, cell: Cell) -> None:
    """Real pictures, of two cameras of which one is cut: each to its own tile."""
    messages = {c: conversion.image_message(cell.image(c.name), c.frame, 0) for c in CUT.cameras}
    raw = {c.name: camera_image(c, m) for c, m in messages.items()}
    layout = ImageLayout(("front", "wrist"), 56, 60)
    expected = lay_out(CUT, RawImages(raw), layout) / 127.5 - 1.0
    floats = picture_of(folder, CUT, raw, layout, "float32")
    assert np.abs(floats - np.moveaxis(expected, -1, 0)).max() <= 1.001 / 127.5


def test_a_crop_that_is_none_is_refused_by_name() -> None:
    """Prevents: a crop that reaches out of the picture cut short in silence, so that it is stretched."""
    raw = CUT.to_dict()
    assert from_dict(raw).cameras == CUT.cameras
    for name, value in (("x_offset", 57), ("y_offset", -1), ("width", 0), ("height", 121), ("width", 1.5)):
        raw["cameras"][0]["crop"] = CUT.to_dict()["cameras"][0]["crop"] | {name: value}
        with pytest.raises(ContractError, match=r"front\.crop"):
            from_dict(raw)
    with pytest.raises(ContractError, match=r"front\.window"):
        RawImage(np.zeros(48, np.uint8), "rgb8", 4, 4, 0, "front", None, (0, 2, 4, 3))
    with pytest.raises(ContractError, match=r"images\.front.*expected.*\(96, 72, 3\)"):
        lay_out(CUT, {"front": np.zeros((128, 128, 3), np.uint8)}, ImageLayout(("front",), 8, 8))


@pytest.mark.parametrize("turned", [False, True])
def test_a_pixel_of_the_cut_picture_looks_where_it_did(turned: bool) -> None:
    """Prevents: points, tracks and plans beside the things that the cut picture shows."""
    poses = np.tile([0.5, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0], (4, 1))
    points = np.random.default_rng(0).uniform([0.3, -0.2, 0.0], [0.7, 0.2, 0.3], (4, 50, 3))
    whole = Geometry(ROBOT, ImageLayout(("front",), 128, 128)).project("front", points, poses)[0]
    layout = ImageLayout(("front",), CROP.height // 2, CROP.width // 2, upside_down=turned)
    found, depth = Geometry(CUT, layout).project("front", points, poses)
    expected = whole - (CROP.x_offset, CROP.y_offset)
    expected = (CROP.width - 1, CROP.height - 1) - expected if turned else expected
    assert np.allclose(found, (expected + 0.5) / 2 - 0.5)
    seen = Geometry(CUT, layout).unproject(np.full((1, *layout.size), 0.7), poses[:1])
    y, x = layout.size[0] // 3, layout.size[1] // 4
    assert np.allclose(Geometry(CUT, layout).project("front", seen[:, y, x][:, None], poses[:1])[0], (x, y))


def test_depth_and_masks_are_cut_with_their_picture(cell: Cell) -> None:
    """Prevents: the distance of what lies beside a pixel taken for its own."""
    layout = ImageLayout(("front",), CROP.height, CROP.width)
    senses = [s for s in CUT.senses if s.camera == "front"]
    assert senses
    for sense in senses:
        sensed = cell.sense(sense.name)
        encoded = encode_sense(CUT, sense, sensed, 5)
        message = typestore().deserialize_cdr(encoded.data, encoded.type_name)
        values = decode_sense(CUT, sense, message, "x")
        assert np.array_equal(values, CUT.camera("front").cut(sensed)) and values.shape == (96, 72)
        channel = {"depth": "depth", "object_mask": "object"}[sense.kind]
        robot = replace(CUT, senses=(sense,))
        assert np.array_equal(channels_of(robot, [channel], {sense.name: values}, layout)[channel], values)


def test_a_checkpoint_is_bound_to_what_was_looked_at() -> None:
    """Prevents: a model that was taught one part of the table shown another, of the same size."""
    moved = cut(ROBOT, replace(CROP, x_offset=25))
    assert [e.field for e in differences(CUT, moved)] == ["robot.cameras.front.lens"]
    assert [e.field for e in differences(CUT, ROBOT)][0] == "robot.cameras.front"
    assert not list(differences(CUT.straight(), CUT)) and not list(differences(ROBOT, cut(ROBOT, Crop(0, 0, 128, 128))))

    def unknown(robot: RobotContract) -> RobotContract:
        return replace(robot, cameras=tuple(replace(c, lens=None) for c in robot.cameras))

    assert [e.field for e in differences(unknown(CUT), moved)] == ["robot.cameras.front.crop"]
    assert not list(differences(unknown(CUT), unknown(CUT)))


class Watched(ExpertPolicy):
    """Keeps the pictures that it is shown."""

    cameras = ("front", "wrist")

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell, np.random.default_rng(0))
        self.seen: list[NDArray[np.uint8]] = []

    def act(self, observation: Observation) -> ActionChunk:
        self.seen.append(observation.images["front"])
        return super().act(observation)


@pytest.mark.slow
def test_what_a_policy_sees_of_the_cell_is_what_its_recording_gives(tmp_path: Path) -> None:
    """Prevents: pictures cut for training and whole in the evaluation, or a recording that lost what was cut off."""
    cell = Cell(CUT)
    policy, path = Watched(cell), tmp_path / "cut.mcap"
    with Recorder(path, CUT, {"cameras": "front"}) as recorder:
        writer = EpisodeWriter(recorder, CUT)
        run_episode(cell, Executor(CUT), policy, "reach", 1, writer=writer, recorded_cameras=("front",))
    read = read_episode(path).images["front"]
    assert read.shape[1:] == (96, 72, 3)
    assert all(any(np.array_equal(image, one) for one in read) for image in policy.seen[1:-2])
    assert {one.shape for _, one in read_film(path).images["front"]} == {(96, 72, 3)}


def test_an_imagined_crop_is_compared_with_what_it_shows(cell: Cell) -> None:
    """Prevents: surprise everywhere, because the imagined part was held against the whole picture."""
    image = conversion.image_message(cell.image("front"), "", 0)
    tile = (0, 0, 48, 36)
    layout = ImageLayout(("front",), *tile[2:])
    errors: dict[str, float] = {}
    for name, camera in {"cut": CUT.camera("front"), "whole": ROBOT.camera("front")}.items():
        shown = camera_image(camera, image).rgb()
        frame = lay_out(CUT, {"front": camera_image(CUT.camera("front"), image).rgb()}, layout)
        watch, step_ns = Watch(CUT), 4 * 10**8
        found = []
        for k in range(4):
            found += watch.see("front", 10**9 + k * step_ns, shown, None)
            if not k:
                watch.expect(Future(10**9, "video", step_ns, np.stack([frame] * 2), {"front": tile}, 1))
        errors[name] = float(np.nanmean(found[0].errors["front"]))
    assert errors["cut"] < errors["whole"] / 4


def test_a_tile_enlarged_for_a_control_is_the_tile_again() -> None:
    """Prevents: a control that is refused because its pictures have the size that the camera sends."""
    layout = ImageLayout(("front",), 48, 36)
    tile = np.random.default_rng(0).integers(0, 256, (48, 36, 3), dtype=np.uint8)
    images = {"front": _enlarged(CUT, layout, "front", tile)}
    assert np.array_equal(lay_out(CUT, images, layout), tile)


def test_a_camera_without_a_crop_is_looked_at_whole() -> None:
    """Prevents: lenses and sizes of every robot file there is changed by a rounding."""
    camera: Camera = ROBOT.camera("front")
    assert camera.looked_through == camera.lens and camera.size == (128, 128) and camera.straight() == camera
