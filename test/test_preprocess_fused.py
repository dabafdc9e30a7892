"""The kernel that makes the model's picture on a GPU, against OpenCV. Its arithmetic runs here on the CPU."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from distorted import GLASSES, glasses, robot_behind, sent_by
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_on_cpu import picture_of
from synthetic_recording import small_robot
from tiny import INSTRUCTIONS, tiny_checkpoint

from wam_core.cell.cell import Cell
from wam_core.contract import Observation
from wam_core.errors import ContractError
from wam_core.policy import Policy
from wam_core.preprocess.fused import FusedPictures, placements
from wam_core.preprocess.images import ENCODINGS, ImageLayout, lay_out, to_model_range
from wam_core.preprocess.raw import RawImage, RawImages, raw_image
from wam_core.preprocess.table import PREPROCESSORS
from wam_core.preprocess.undistort import undistortion_of
from wam_core.robot.contract import RobotContract
from wam_core.robot.distortion import Distortion
from wam_core.robot.robot_file import load_robot

#: Height and width of the tile: smaller, not by a whole number, by one on one side alone, equal, larger, mixed.
TILES = [(24, 32), (17, 23), (24, 21), (48, 64), (60, 80), (60, 40), (7, 5)]


def robot_of(height: int, width: int) -> RobotContract:
    robot = small_robot()
    return replace(robot, cameras=tuple(replace(c, height=height, width=width) for c in robot.cameras))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernel")


def sent(encoding: str, height: int, width: int, seed: int, padding: int = 0) -> RawImage:
    """Random bytes, which no smoothness hides an error in."""
    row_bytes = width * ENCODINGS[encoding].channels + padding
    data = np.random.default_rng(seed).integers(0, 256, height * row_bytes, dtype=np.uint8)
    return RawImage(data, encoding, height, width, row_bytes, "front")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("tile", TILES, ids=str)
def test_kernel_agrees_with_opencv_in_every_encoding_and_size(
    encoding: str, tile: tuple[int, int], folder: Path
) -> None:
    """A model that was trained on OpenCV's pictures must see the same ones from a GPU, to one step of 255."""
    robot, raw = robot_of(48, 64), {n: sent(encoding, 48, 64, k, 3 * k) for k, n in enumerate(("front", "wrist"))}
    layout = ImageLayout(("wrist", "front"), *tile, arrangement="vertical")
    expected = lay_out(robot, RawImages(raw), layout).astype(int)
    assert np.abs(picture_of(folder, robot, raw, layout, "uint8") - expected).max() <= 1


@pytest.mark.parametrize("arrangement", ["horizontal", "head_above_wrists"])
def test_turned_pictures_of_several_cameras_lie_where_the_reference_has_them(arrangement: str, folder: Path) -> None:
    """LIBERO's images are turned by 180 degrees, RoboTwin's wrists are half as large: elsewhere is another arm."""
    robot = robot_of(48, 64)
    raw = {name: sent("bgra8", 48, 64, k) for k, name in enumerate(("front", "side", "wrist"))}
    layout = ImageLayout(("front", "side", "wrist"), 32, 32, arrangement, upside_down=True)
    expected = lay_out(robot, RawImages(raw), layout).astype(int)
    assert np.abs(picture_of(folder, robot, raw, layout, "uint8") - expected).max() <= 1


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("glass", GLASSES)
def test_kernel_makes_pictures_straight_as_opencv_does(encoding: str, glass: str, folder: Path) -> None:
    """Of random bytes a share of a pixel that is rounded otherwise makes another picture; so do edges that a lens
    pulls into it."""
    robot = robot_behind(small_robot(), GLASSES[glass], 48, 64)
    maps = {n: undistortion_of(robot.camera(n)) for n in ("front", "wrist")}
    raw = {n: replace(sent(encoding, 48, 64, k, k), undistortion=maps[n]) for k, n in enumerate(maps)}
    plain = {name: replace(image, undistortion=None) for name, image in raw.items()}
    for tile in ((17, 23), (48, 64), (60, 80)):
        layout = ImageLayout(("wrist", "front"), *tile, upside_down=tile == (17, 23))
        expected = lay_out(robot, RawImages(raw), layout).astype(int)
        assert np.abs(picture_of(folder, robot, raw, layout, "uint8") - expected).max() <= 1
        assert np.abs(lay_out(robot, RawImages(plain), layout) - expected).mean() > 5


@settings(max_examples=40, deadline=None)
@given(glasses(), st.sampled_from(sorted(ENCODINGS)), st.integers(5, 60), st.integers(5, 80), st.integers(0, 2**32 - 1))
def test_kernel_agrees_through_any_lens(
    folder: Path, distortion: Distortion, encoding: str, height: int, width: int, seed: int
) -> None:
    """The lenses that were thought of agreed; of others, a pixel at the edge was taken from the next row."""
    robot, layout = robot_behind(small_robot(), distortion, 48, 64), ImageLayout(("front",), height, width)
    raw = {"front": replace(sent(encoding, 48, 64, seed), undistortion=undistortion_of(robot.camera("front")))}
    expected = lay_out(robot, RawImages(raw), layout).astype(int)
    assert np.abs(picture_of(folder, robot, raw, layout, "uint8") - expected).max() <= 1


@pytest.mark.parametrize("glass", GLASSES)
def test_bent_pictures_of_the_cell_agree_in_all_three_kinds(glass: str, folder: Path) -> None:
    """What a lens would send of the cell: straight, of its size, normalised, by both ways."""
    cell = Cell(load_robot("panda_cell"))
    cell.reset("drawer", 3)
    robot = robot_behind(cell.robot, GLASSES[glass], 128, 128)
    pixels = {name: sent_by(robot.camera(name), cell.image(name)) for name in ("front", "wrist")}
    maps = {name: undistortion_of(robot.camera(name)) for name in pixels}
    raw = {name: replace(raw_image(image, name), undistortion=maps[name]) for name, image in pixels.items()}
    layout = ImageLayout(("front", "wrist"), 56, 60)
    expected = to_model_range(lay_out(robot, RawImages(raw), layout))
    floats = picture_of(folder, robot, raw, layout, "float32")
    assert np.abs(floats - expected).max() <= 1.001 / 127.5
    assert np.array_equal(picture_of(folder, robot, raw, layout, "float16"), floats.astype(np.float16))


def test_pictures_of_the_cell_agree_in_all_three_kinds(folder: Path) -> None:
    """Real pictures: normalised as the reference does it, and halves that are the nearest to the floats."""
    cell = Cell(load_robot("panda_cell"))
    cell.reset("drawer", 3)
    images = {name: cell.image(name) for name in ("front", "wrist")}
    raw = {name: raw_image(image, name) for name, image in images.items()}
    layout = ImageLayout(("front", "wrist"), 56, 60)
    expected = to_model_range(lay_out(cell.robot, images, layout))
    floats = picture_of(folder, cell.robot, raw, layout, "float32")
    assert np.abs(floats - expected).max() <= 1.001 / 127.5
    assert np.array_equal(picture_of(folder, cell.robot, raw, layout, "float16"), floats.astype(np.float16))


def test_images_are_decoded_when_they_are_looked_at_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten images a second a model may look at two; the others cost a core their colour conversion all the same."""
    count: list[str] = []
    monkeypatch.setattr(RawImage, "rgb", lambda self: count.append(self.name) or np.zeros((1, 1, 3), np.uint8))
    images = RawImages({"front": sent("bgr8", 12, 16, 0), "wrist": sent("bgr8", 12, 16, 1)})
    assert set(images) == {"front", "wrist"} and len(images) == 2 and not count
    assert images["front"] is images["front"] and count == ["front"]


def test_what_does_not_fit_is_named_before_anything_is_uploaded() -> None:
    """A kernel that reads beyond a message reads other people's memory."""
    robot, layout = robot_of(48, 64), ImageLayout(("front",), 24, 32)
    with pytest.raises(ContractError, match=r"front\.data.*48 rows"):
        RawImage(np.zeros(48 * 64 * 3 - 1, np.uint8), "rgb8", 48, 64, 0, "front")
    with pytest.raises(ContractError, match=r"front\.encoding.*rgb16"):
        RawImage(np.zeros(48 * 64 * 6, np.uint8), "rgb16", 48, 64, 0, "front")
    with pytest.raises(ContractError, match=r"front\.size.*65x48.*multiple of 2"):
        RawImage(np.zeros(48 * 65 * 2, np.uint8), "yuv422", 48, 65, 0, "front")
    with pytest.raises(ContractError, match=r"images\.front.*32x24.*64x48"):
        placements(robot, {"front": sent("rgb8", 24, 32, 0)}, layout, "uint8")
    with pytest.raises(ContractError, match=r"images\.front.*wrist"):
        placements(robot, {"wrist": sent("rgb8", 48, 64, 0)}, layout, "uint8")


def test_without_a_gpu_it_says_what_is_missing() -> None:
    """An ImportError or a CUDA error number in the middle of an episode says nothing about the remedy."""
    try:
        FusedPictures(robot_of(48, 64), ImageLayout(("front",), 24, 32))
    except ContractError as error:
        assert error.field == "preprocess" and ("wam[gpu]" in str(error) or "opencv" in str(error))


def test_a_policy_sees_what_the_chosen_preprocessing_makes() -> None:
    """The parameter was read and OpenCV went on doing the work."""
    checkpoint = tiny_checkpoint()
    size = checkpoint.preset.layout.size
    images = {name: np.full((128, 128, 3), 90, np.uint8) for name in checkpoint.preset.layout.cameras}
    observation = Observation(10**9, images, np.zeros(7), INSTRUCTIONS[0])
    plain = Policy(checkpoint, 0).act(observation).values
    same = Policy(checkpoint, 0, pictures=lambda images: np.full((*size, 3), 90, np.uint8)).act(observation).values
    other = Policy(checkpoint, 0, pictures=lambda images: np.full((*size, 3), 200, np.uint8)).act(observation).values
    assert np.array_equal(plain, same) and not np.array_equal(plain, other)
    assert tuple(PREPROCESSORS) == ("opencv", "cupy")
