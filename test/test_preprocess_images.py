"""Camera bytes to the model image, against a straightforward NumPy computation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_recording import small_robot

from wam_core.errors import ContractError
from wam_core.preprocess.images import ImageLayout, decode_image, lay_out, preprocess, to_model_range, to_pixels

ROBOT = small_robot()
LAYOUT = ImageLayout(("front", "wrist"), 6, 8)


def area_average(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Mean over each output pixel's footprint, partial pixels weighted by their covered share."""

    def weights(out: int, size: int) -> np.ndarray:
        scale = size / out
        edges = np.arange(size)
        start, end = np.arange(out)[:, None] * scale, (np.arange(out)[:, None] + 1) * scale
        return np.clip(np.minimum(end, edges + 1) - np.maximum(start, edges), 0, 1) / scale

    rows, columns = weights(height, image.shape[0]), weights(width, image.shape[1])
    return np.einsum("hi,ijc,wj->hwc", rows, image.astype(np.float64), columns)


def random_images(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(0, 256, (12, 16, 3), dtype=np.uint8) for name in ("front", "side", "wrist")}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(2, 16), st.sampled_from(["horizontal", "vertical"]))
def test_preprocessing_equals_the_numpy_reference(seed: int, height: int, width: int, arrangement: str) -> None:
    """A resize without antialiasing, a swapped camera or a shifted scale costs success without any error."""
    images, layout = random_images(seed), ImageLayout(("wrist", "front"), height, width, arrangement)
    tensor, regions = preprocess(ROBOT, images, layout)
    assert tensor.dtype == np.float32 and tensor.shape == (3, *layout.size) and np.abs(tensor).max() <= 1.0
    for name in layout.cameras:
        top, left, h, w = regions[name]
        expected = area_average(images[name], height, width).transpose(2, 0, 1) / 127.5 - 1.0
        assert np.abs(tensor[:, top : top + h, left : left + w] - expected).max() <= 1.01 / 127.5


def test_pixels_survive_the_model_range_exactly() -> None:
    """Predicted frames are compared with measured ones: the way there and back must not add an error of its own."""
    image = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert np.array_equal(to_pixels(to_model_range(image)), image)


@pytest.mark.parametrize(
    ("encoding", "order"), [("rgb8", [0, 1, 2]), ("bgr8", [2, 1, 0]), ("rgba8", [0, 1, 2]), ("bgra8", [2, 1, 0])]
)
@pytest.mark.parametrize("padding", [0, 5])
def test_every_encoding_decodes_to_rgb(encoding: str, order: list[int], padding: int) -> None:
    """Red and blue exchanged is the oldest bug of robot vision; padded rows shear the picture."""
    rgb = random_images(1)["front"]
    pixels = rgb[..., order] if len(encoding) == 4 else np.concatenate([rgb[..., order], rgb[..., :1]], axis=2)
    rows = np.pad(pixels.reshape(12, -1), ((0, 0), (0, padding)))
    assert np.array_equal(decode_image(rows.reshape(-1), encoding, 12, 16, rows.shape[1]), rgb)


def test_mono_images_become_grey() -> None:
    """A mono camera must give three equal channels, not a third of a picture."""
    grey = np.arange(192, dtype=np.uint8)
    assert np.array_equal(decode_image(grey, "mono8", 12, 16), grey.reshape(12, 16, 1).repeat(3, axis=2))


def test_bad_images_are_named() -> None:
    """Each of these once passed silently through somebody's resize."""
    with pytest.raises(ContractError, match="wrist.encoding.*rgb16.*one of"):
        decode_image(np.zeros(576, np.uint8), "rgb16", 12, 16, name="wrist")
    with pytest.raises(ContractError, match="data"):
        decode_image(np.zeros(575, np.uint8), "rgb8", 12, 16)
    images = random_images(2)
    with pytest.raises(ContractError, match=r"images\.wrist"):
        lay_out(ROBOT, {"front": images["front"]}, LAYOUT)
    with pytest.raises(ContractError, match=r"images\.front.*\(12, 16, 3\)"):
        lay_out(ROBOT, images | {"front": images["front"][:6]}, LAYOUT)
    with pytest.raises(ContractError, match=r"images\.front.*uint8"):
        lay_out(ROBOT, images | {"front": images["front"].astype(np.float32)}, LAYOUT)
    with pytest.raises(ContractError, match="camera.*top"):
        lay_out(ROBOT, images, ImageLayout(("top",), 6, 8))
    with pytest.raises(ContractError, match="arrangement"):
        ImageLayout(("front",), 6, 8, "diagonal")


def test_robotwin_has_the_head_above_two_wrists_of_half_its_size() -> None:
    """The wrists were stacked in the order of their topics: the left arm saw what the right hand held."""
    cameras = ("head", "left_wrist", "right_wrist")
    layout = ImageLayout(cameras, 256, 320, "head_above_wrists")
    assert layout.size == (384, 320)
    assert layout.regions == {
        "head": (0, 0, 256, 320),
        "left_wrist": (256, 0, 128, 160),
        "right_wrist": (256, 160, 128, 160),
    }
    robot = replace(ROBOT, cameras=tuple(replace(ROBOT.cameras[0], name=n) for n in cameras))
    images = {n: np.full((12, 16, 3), 40 * i, np.uint8) for i, n in enumerate(cameras)}
    image = lay_out(robot, images, layout)
    assert image.shape == (384, 320, 3)
    for i, (top, left, height, width) in enumerate(layout.regions.values()):
        assert bool((image[top : top + height, left : left + width] == 40 * i).all())
    with pytest.raises(ContractError, match="a head and two wrist cameras"):
        ImageLayout(cameras[:2], 256, 320, "head_above_wrists")


def test_upside_down_images_are_turned_and_not_mirrored() -> None:
    """Flipped in one axis only, left and right were exchanged, and every reach went to the wrong side."""
    layout = ImageLayout(("front", "wrist"), 12, 16, upside_down=True)
    images = random_images(0)
    expected = np.concatenate([np.rot90(images[n], 2) for n in layout.cameras], axis=1)
    assert np.array_equal(lay_out(ROBOT, images, layout), expected)
