"""Cameras that send JPEG or PNG: the same straight picture as of raw bytes, or an error that says what is wrong."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from distorted import GLASSES, behind
from hypothesis import given, settings
from hypothesis import strategies as st
from live_graph import ROBOT
from numpy.typing import NDArray

from wam_core.errors import ContractError
from wam_core.preprocess.compressed import compress
from wam_core.preprocess.fused import placements
from wam_core.preprocess.images import ImageLayout
from wam_core.preprocess.raw import RawImages, camera_image, raw_image
from wam_core.preprocess.undistort import undistortion_of
from wam_core.robot.contract import Camera
from wam_core.robot.robot_file import from_dict
from wam_ros import conversion
from wam_ros.streams import Fault, Stream, receive

HEIGHT, WIDTH = 48, 64
CAMERA = Camera("front", "/front/image_raw/compressed", "front_optical", WIDTH, HEIGHT, transport="compressed")
PNG, JPEG = ".png", ".jpg"


def seen(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth coloured picture, RGB: JPEG keeps it to some levels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def coded(kind: str, pixels: NDArray[np.uint8] | NDArray[np.uint16], *options: int) -> bytes:
    return cv2.imencode(kind, pixels, options)[1].tobytes()


def sent(form: str, data: bytes) -> SimpleNamespace:
    return SimpleNamespace(format=form, data=np.frombuffer(data, np.uint8))


def blue_first(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(pixels[..., ::-1])


def test_colours_are_those_that_image_transport_s_subscriber_finds() -> None:
    """Prevents: red and blue swapped, by any of the ways in which ``format`` is written; a mosaic looked at as grey."""
    rgb = seen()
    plain, alpha = blue_first(rgb), cv2.cvtColor(blue_first(rgb), cv2.COLOR_BGR2BGRA)
    for form in ("png", "rgb8; png compressed bgr8", "bgr8; png compressed bgr8", "bgr8;png compressed bgr8", ""):
        assert np.array_equal(camera_image(CAMERA, sent(form, coded(PNG, plain))).rgb(), rgb), form
    for form in ("rgb8; png compressed rgb8", "bgr8; png compressed ", "rgb8; png compressed"):
        assert np.array_equal(camera_image(CAMERA, sent(form, coded(PNG, rgb))).rgb(), rgb), form
    assert np.array_equal(camera_image(CAMERA, sent("bgra8; png compressed bgr8", coded(PNG, alpha))).rgb(), rgb)
    swapped = cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA)
    assert np.array_equal(camera_image(CAMERA, sent("rgba8; png compressed ", coded(PNG, swapped))).rgb(), rgb)
    grey = np.ascontiguousarray(rgb[..., 1])
    for form in ("mono8; png compressed ", "png", "mono8; jpeg compressed mono8"):
        image = camera_image(CAMERA, sent(form, coded(PNG, grey)))
        assert image.encoding == "mono8" and np.array_equal(image.rgb()[..., 2], grey), form
    mosaic = camera_image(CAMERA, sent("bayer_rggb8; png compressed ", coded(PNG, grey)))
    assert np.array_equal(mosaic.rgb(), cv2.cvtColor(grey, cv2.COLOR_BayerRGGB2RGB))


@settings(max_examples=25, deadline=None)
@given(st.integers(32, 90), st.integers(40, 90), st.integers(0, 9))
def test_a_jpeg_is_the_picture_but_for_its_losses(height: int, width: int, seed: int) -> None:
    """Prevents: sheared rows, swapped sides or colours; a picture that was turned by what a phone wrote into it."""
    rgb, camera = seen(height, width, seed), replace(CAMERA, height=height, width=width)
    found = camera_image(camera, sent(*compress(rgb))).rgb()
    assert found.shape == rgb.shape
    # Colours are halved in size by JPEG: at edges of this small picture they are off by more than brightness.
    assert np.abs(found.astype(int) - rgb).mean() < 12.0
    turned = b"\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01"
    turned += b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06" + bytes(6)
    form, data = compress(rgb)
    assert np.array_equal(camera_image(camera, sent(form, data[:2] + turned + data[2:])).rgb(), found)


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)])
@pytest.mark.parametrize("kind", [JPEG, PNG])
def test_a_picture_that_ends_too_early_is_refused(kind: str, options: tuple[int, ...]) -> None:
    """Prevents: the grey that OpenCV fills a truncated JPEG with, taken for what the camera saw."""
    data = coded(kind, blue_first(seen()), *(options if kind == JPEG else ()))
    whole = camera_image(CAMERA, sent("jpeg", data)).rgb()
    for padded in (bytes(1), bytes(500), b"\xff"):  # webcams pad to whole packets
        assert np.array_equal(camera_image(CAMERA, sent("jpeg", data + padded)).rgb(), whole)
    for end in range(len(data)):
        with pytest.raises(ContractError, match=r"front\.data"):
            camera_image(CAMERA, sent("jpeg", data[:end]))


def test_what_is_no_picture_of_this_camera_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: depth looked at as colours, 16 bits cut to 8, a header of gigapixels filling the memory."""
    rgb = seen()
    deep = rgb.astype(np.uint16) * 257
    refused = {
        "format": sent("16UC1; compressedDepth png", bytes(12) + coded(PNG, deep[..., 0])),
        "data.*a JPEG or a PNG": sent("h264", b"\x00\x00\x00\x01g" + bytes(99)),
        "data.*16 bits a colour": sent("16UC1; png compressed ", coded(PNG, deep)),
        "size.*64x47": sent("jpeg", coded(JPEG, rgb[:-1])),
    }
    huge = bytearray(coded(PNG, rgb))
    huge[16:24] = (2**30).to_bytes(4, "big") * 2
    refused["size.*1073741824"] = sent("png", bytes(huge))
    huge = bytearray(coded(JPEG, rgb))
    frame = huge.index(b"\xff\xc0")
    huge[frame + 5 : frame + 9] = b"\xff" * 4
    refused["size.*65535x65535"] = sent("jpeg", bytes(huge))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    for said, message in refused.items():
        with pytest.raises(ContractError, match=rf"^front\.{said}"):
            camera_image(CAMERA, message)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes_are_a_picture_or_an_error_with_a_name(data: st.DataObject) -> None:
    """Prevents: a node that ends because a cable is bad."""
    kind = data.draw(st.sampled_from((JPEG, PNG)))
    damaged = bytearray(coded(kind, seen()))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        assert camera_image(CAMERA, sent("jpeg", bytes(damaged))).rgb().shape == (HEIGHT, WIDTH, 3)
    except ContractError as error:
        assert error.field.startswith("front.")


def test_a_compressed_picture_is_undistorted_and_placed_as_a_raw_one() -> None:
    """Prevents: pictures left bent, or a kernel that is told of bytes as they were before they were decoded."""
    camera = replace(behind(CAMERA, GLASSES["webcam"], HEIGHT, WIDTH), transport="compressed")
    robot, rgb = replace(ROBOT, cameras=(camera,)), seen()
    image = camera_image(camera, sent("png", coded(PNG, blue_first(rgb))))
    straight = replace(raw_image(rgb, "front"), undistortion=undistortion_of(camera))
    assert np.array_equal(image.rgb(), straight.rgb()) and not np.array_equal(image.rgb(), rgb)
    images = RawImages({"front": image})
    ((told, before, _),) = placements(robot, images.raw, ImageLayout(("front",), 16, 16), "uint8")
    assert told.undistortion is undistortion_of(camera) and told.data.size == before[0] * before[2]


def test_a_damaged_message_is_a_fault_of_its_stream_until_a_whole_one_comes() -> None:
    """Prevents: a model that goes on with the last picture and says nothing of the one it could not read."""
    stream: Stream[object] = Stream("front", CAMERA.topic, 10**9)
    message = conversion.camera_message(CAMERA, seen(), 5)
    whole = bytes(message.data)
    message.data = whole[: len(whole) // 2]
    problem = receive(stream, 5, 5, lambda: camera_image(CAMERA, message))
    assert problem is not None and problem.fault is Fault.UNFIT and "its end is missing" in str(problem)
    message.data = b""
    assert receive(stream, 5, 5, lambda: camera_image(CAMERA, message)) is not None
    message.data = whole
    assert receive(stream, 6, 6, lambda: camera_image(CAMERA, message)) is None


def test_a_transport_is_read_and_checked() -> None:
    """Prevents: a misspelt transport read as raw, so that nothing is ever heard on the topic."""
    raw = replace(ROBOT, cameras=(CAMERA,), senses=()).to_dict()
    assert from_dict(raw).cameras == (CAMERA,)
    raw["cameras"][0]["transport"] = "theora"
    with pytest.raises(ContractError, match=r"front\.transport.*compressed, raw"):
        from_dict(raw)
