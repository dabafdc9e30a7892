"""Pictures of lenses that bend lines, made straight: the law that they must obey, and what is refused."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from distorted import GLASSES, behind, glasses, robot_behind, sent_by, straight_places
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_recording import known_image, small_robot, write_episode

from wam_core.cell.cell import Cell
from wam_core.data import messages
from wam_core.data.reader import read_episode
from wam_core.data.senses import decode_sense, encode_sense
from wam_core.errors import ContractError
from wam_core.preprocess.raw import RawImage, camera_image
from wam_core.preprocess.undistort import Undistortion, undistortion_of
from wam_core.robot.contract import Camera
from wam_core.robot.distortion import DISTORTIONS, Distortion
from wam_core.robot.robot_file import from_dict, load_robot

FRONT = load_robot("panda_cell").camera("front")
SIZE = (96, 128)


def message(pixels: np.ndarray) -> SimpleNamespace:
    """What a camera sends, its fields as ROS names them."""
    height, width, _ = pixels.shape
    return SimpleNamespace(height=height, width=width, encoding="rgb8", step=3 * width, data=pixels.tobytes())


def made(camera: Camera) -> Undistortion:
    found = undistortion_of(camera)
    assert found is not None
    return found


def bent(model: str, k: tuple[float, ...], x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a lens puts what a pinhole would put at (x, y), at focal length 1: the models as they are published."""
    r2 = x * x + y * y
    if model == "equidistant":
        angle = np.arctan(np.sqrt(r2))
        longer = angle * (1 + k[0] * angle**2 + k[1] * angle**4 + k[2] * angle**6 + k[3] * angle**8)
        scale = np.where(r2 > 0, longer / np.sqrt(np.where(r2 > 0, r2, 1.0)), 1.0)
        return scale * x, scale * y
    k1, k2, p1, p2, k3, k4, k5, k6 = (*k, 0.0, 0.0, 0.0)[:8]
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    across = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    return across, y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y


@pytest.mark.parametrize("glass", GLASSES)
def test_a_pixel_is_taken_from_where_the_published_model_has_it(glass: str) -> None:
    """Coefficients in another order, or another camera matrix than K: straight lines, in the wrong places."""
    camera = behind(FRONT, GLASSES[glass], *SIZE)
    lens, maps = camera.lens, made(camera)
    assert lens is not None
    v, u = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64)
    x, y = bent(GLASSES[glass].model, GLASSES[glass].coefficients, (u - lens.cx) / lens.fx, (v - lens.cy) / lens.fy)
    found = maps.pixels + np.stack((maps.shares & 31, maps.shares >> 5), axis=-1) / 32.0
    expected = np.stack((lens.cx + lens.fx * x, lens.cy + lens.fy * y), axis=-1)
    inside = ((expected > -1) & (expected < (SIZE[1], SIZE[0]))).all(axis=-1)
    assert inside.mean() > 0.6 and np.abs(found - expected)[inside].max() < 1.02 / 64
    outside = ((found > -1) & (found < (SIZE[1], SIZE[0]))).all(axis=-1)
    assert not outside[((expected < -1.02) | (expected > np.add((SIZE[1], SIZE[0]), 0.02))).any(axis=-1)].any()


def around(picture: np.ndarray, wanted: np.ndarray, across: int) -> np.ndarray:
    """``[L, R, 15]``: what lies 7 pixels to each side of the columns (rows, if ``across``) where lines should be."""
    rows = (picture.T if across else picture)[4:-4]
    return np.stack([rows[:, at - 7 : at + 8] for at in wanted])


@settings(max_examples=25, deadline=None)
@given(glasses())
def test_a_straight_grid_seen_through_a_lens_is_straight_again(distortion: Distortion) -> None:
    """Lines that stayed bent, or were bent the other way: the model saw a table edge curve."""
    camera, fine = behind(FRONT, distortion, 120, 160), 4
    seen = cv2.erode(made(camera).nearest(np.ones((120, 160), np.float32), 0.0), np.ones((7, 7))) > 0
    where = np.moveaxis(fine * straight_places(camera).astype(np.float32), -1, 0)
    for across, wanted in ((0, np.array([30, 80, 130])), (1, np.array([30, 60, 90]))):
        # Drawn fine and soft, so that what is measured is the undistortion, not how the test samples.
        grid = np.full((fine * 120, fine * 160, 3), 255, np.uint8)
        (grid.transpose(1, 0, 2) if not across else grid)[(fine * wanted[:, None] + np.arange(-4, 5)).reshape(-1)] = 0
        sent = cv2.remap(cv2.GaussianBlur(grid, (0, 0), 5.0), *where, cv2.INTER_LINEAR, borderValue=(255,) * 3)
        ink = 255.0 - around(camera_image(camera, message(sent)).rgb()[..., 0], wanted, across)
        whole = around(seen, wanted, across).all(axis=-1)
        off = (ink @ np.arange(-7.0, 8.0))[whole] / ink.sum(axis=-1)[whole]
        assert whole.mean() > 0.5 and np.abs(off).max() < 0.1


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["plumb_bob", "rational_polynomial"]),
    st.tuples(st.floats(20, 900), st.floats(20, 900), st.floats(1, 127), st.floats(1, 95)),
    st.integers(0, 2**32 - 1),
)
def test_a_lens_that_bends_nothing_changes_nothing(model: str, k: tuple[float, ...], seed: int) -> None:
    """Each picture was smeared a little by a calibration of zeros, as many drivers publish it."""
    lens = replace(FRONT.lens, fx=k[0], fy=k[1], cx=k[2], cy=k[3])  # type: ignore[type-var]
    none = Distortion(model, (0.0,) * len(DISTORTIONS[model]))
    camera = replace(FRONT, height=SIZE[0], width=SIZE[1], lens=lens, distortion=none)
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    assert np.array_equal(camera_image(camera, message(pixels)).rgb(), pixels)


def test_who_does_not_ask_for_it_pays_nothing_and_who_does_pays_for_the_maps_once() -> None:
    """Every picture was copied for the sake of cameras that nobody had calibrated; maps were made for each picture."""
    pixels = np.zeros((*SIZE, 3), np.uint8)
    plain, sent = replace(FRONT, height=SIZE[0], width=SIZE[1]), message(pixels)
    image = camera_image(plain, sent)
    assert image.undistortion is None and np.shares_memory(image.rgb(), np.frombuffer(sent.data, np.uint8))
    camera = behind(FRONT, GLASSES["webcam"], *SIZE)
    assert camera_image(camera, sent).undistortion is camera_image(replace(camera), sent).undistortion is not None


def test_what_the_camera_did_not_see_is_black() -> None:
    """Edges were smeared outwards over what the lens left out, and looked like a wall."""
    camera = behind(FRONT, GLASSES["pincushion"], *SIZE)
    straight = camera_image(camera, message(np.full((*SIZE, 3), 200, np.uint8))).rgb()
    assert not straight[0, 0].any() and (straight[SIZE[0] // 2, SIZE[1] // 2] == 200).all()
    assert set(np.unique(straight[[0, 0, -1, -1], [0, -1, 0, -1]])) == {0}


@pytest.mark.parametrize("k3", [5e5, 1e12])
def test_a_wild_calibration_shows_nothing_instead_of_something_else(k3: float) -> None:
    """Pixels from beyond the range of fixed-point maps wrapped around into the picture."""
    camera = behind(FRONT, Distortion("plumb_bob", (0.0, 0.0, 0.0, 0.0, k3)), *SIZE)
    straight = camera_image(camera, message(np.full((*SIZE, 3), 200, np.uint8))).rgb()
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    lens = camera.lens
    assert lens is not None
    r2 = ((x - lens.cx) / lens.fx) ** 2 + ((y - lens.cy) / lens.fy) ** 2
    assert not straight[k3 * r2**3.5 > 1.2 / 0.62].any()


def test_depth_and_masks_are_made_straight_with_their_picture_and_never_mixed() -> None:
    """Depth of a bent picture under a straight one; the mean of a finger and the table behind it."""
    robot = robot_behind(load_robot("panda_cell"), GLASSES["webcam"], *SIZE)
    camera, store = robot.camera("front"), messages.typestore()
    straight = np.full(SIZE, 2.0, np.float32)
    straight[30:70, 50:90] = 1.0
    x, y = np.moveaxis(straight_places(camera).astype(np.float32), -1, 0)
    raw = cv2.remap(straight, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=np.inf)
    for name, sent, expected in (
        ("front_depth", raw, straight),
        ("front_object", raw == 1.0, straight == 1.0),
    ):
        told = encode_sense(robot, robot.sense(name), sent, 0)
        found = decode_sense(robot, robot.sense(name), store.deserialize_cdr(told.data, told.type_name), name)
        assert found.dtype == expected.dtype and set(np.unique(found)) <= {0.0, 1.0, 2.0, np.inf}
        assert (found == expected)[4:-4, 4:-4].mean() > 0.98 and not (raw == straight)[4:-4, 4:-4].mean() > 0.95


def test_recorded_pictures_are_straight_where_they_are_read(tmp_path: Path) -> None:
    """A model was trained on bent pictures and looked at straight ones."""
    robot = robot_behind(small_robot(), GLASSES["webcam"], 12, 16)
    episode = read_episode(write_episode(tmp_path / "bent.mcap", robot))
    assert episode.robot.camera("front") == robot.camera("front")
    for name, images in episode.images.items():
        maps = made(robot.camera(name))
        assert all(np.array_equal(image, maps.picture(known_image(name, k))) for k, image in enumerate(images))


PLUMB = {"model": "plumb_bob", "coefficients": [0.1, 0.0, 0.0, 0.0, 0.0]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"distortion": {**PLUMB, "model": "plum_bob"}}, r"front\.distortion\.model.*plumb_bob"),
        ({"distortion": {**PLUMB, "coefficients": [0.1] * 4}}, r"front\.distortion\.coefficients.*k1, k2, p1, p2, k3"),
        ({"distortion": {**PLUMB, "coefficients": 0.1}}, r"front\.distortion\.coefficients.*k1, k2, p1, p2, k3"),
        ({"distortion": {**PLUMB, "coefficients": [float("nan")] * 5}}, r"front\.distortion\.coefficients"),
        ({"distortion": {"model": "plumb_bob"}}, r"front\.distortion\.coefficients.*missing"),
        ({"distortion": {**PLUMB, "topic": "/x"}}, r"front\.distortion field.*camera_info"),
        ({"distortion": PLUMB, "lens": None}, r"front\.lens.*as K of the same calibration"),
    ],
)
def test_a_calibration_that_is_none_is_refused_by_name(change: dict, said: str) -> None:
    """Four numbers of a fisheye were taken for four of five, and the picture was bent the more."""
    raw = load_robot("panda_cell").to_dict()
    raw["cameras"][0] |= change
    with pytest.raises(ContractError, match=said):
        from_dict(raw)


def test_a_calibration_survives_where_the_contract_is_written_down() -> None:
    """Recordings and checkpoints carry the contract: a list that came back as another type was another camera."""
    robot = robot_behind(load_robot("panda_cell"), replace(GLASSES["wide"], camera_info="/front/camera_info"), *SIZE)
    assert from_dict(robot.to_dict()).cameras == robot.cameras
    assert all(camera.distortion is None and camera.lens for camera in robot.straight().cameras)


def test_what_does_not_fit_is_named() -> None:
    """Maps of another size read beyond the picture; the cell sent straight pictures as if they were bent."""
    camera, pixels = behind(FRONT, GLASSES["webcam"], *SIZE), np.zeros((*SIZE, 3), np.uint8)
    with pytest.raises(ContractError, match=r"front\.size.*64x48.*128x96"):
        camera_image(camera, message(pixels[:48, :64]))
    with pytest.raises(ContractError, match=r"front\.undistortion.*128x48"):
        RawImage(pixels[:48].reshape(-1), "rgb8", 48, 128, 0, "front", made(camera))
    with pytest.raises(ContractError, match=r"cameras\.front\.distortion.*straight"):
        Cell(robot_behind(load_robot("panda_cell"), GLASSES["webcam"], *SIZE))


def test_a_picture_sent_through_a_lens_comes_back(tmp_path: Path) -> None:
    """The whole way on a picture of the cell: it must be found again but for what sampling twice costs."""
    cell = Cell(load_robot("panda_cell"))
    cell.reset("drawer", 3)
    pixels = cell.image("front")
    camera = behind(FRONT, GLASSES["webcam"], *pixels.shape[:2])
    straight = camera_image(camera, message(sent_by(camera, pixels))).rgb().astype(int)
    inner = (slice(8, -8), slice(8, -8))
    off, bent_off = (np.abs(x - pixels)[inner].mean() for x in (straight, sent_by(camera, pixels).astype(int)))
    assert off < 2.0 < bent_off / 3
