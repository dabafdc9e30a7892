"""Camera images to the model's image tensor with NumPy and OpenCV: the reference path, and the default without a GPU.

    message bytes --decode--> uint8 RGB [H, W, 3] --resize, lay out--> uint8 [H, W*, 3] --scale--> float32 [3, H, W*]

The laid-out uint8 image is exactly what a training cache holds, so live and recorded inputs are bit-equal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.errors import ContractError, look_up

Region = tuple[int, int, int, int]


class Encoding(NamedTuple):
    """A ``sensor_msgs/Image`` encoding: bytes a pixel, OpenCV's conversion to RGB (None: it is RGB), and, where pixels
    share colours, the numbers that height and width are multiples of."""

    channels: int
    conversion: int | None
    multiples: tuple[int, int] = (1, 1)


ENCODINGS: Mapping[str, Encoding] = {
    "rgb8": Encoding(3, None),
    "bgr8": Encoding(3, cv2.COLOR_BGR2RGB),
    "rgba8": Encoding(4, cv2.COLOR_RGBA2RGB),
    "bgra8": Encoding(4, cv2.COLOR_BGRA2RGB),
    "mono8": Encoding(1, cv2.COLOR_GRAY2RGB),
    "yuv422": Encoding(2, cv2.COLOR_YUV2RGB_UYVY, (1, 2)),
    "yuv422_yuy2": Encoding(2, cv2.COLOR_YUV2RGB_YUY2, (1, 2)),
    "bayer_rggb8": Encoding(1, cv2.COLOR_BayerRGGB2RGB, (2, 2)),
    "bayer_bggr8": Encoding(1, cv2.COLOR_BayerBGGR2RGB, (2, 2)),
    "bayer_gbrg8": Encoding(1, cv2.COLOR_BayerGBRG2RGB, (2, 2)),
    "bayer_grbg8": Encoding(1, cv2.COLOR_BayerGRBG2RGB, (2, 2)),
}


def _horizontal(count: int, height: int, width: int) -> list[Region]:
    return [(0, i * width, height, width) for i in range(count)]


def _vertical(count: int, height: int, width: int) -> list[Region]:
    return [(i * height, 0, height, width) for i in range(count)]


def _head_above_wrists(count: int, height: int, width: int) -> list[Region]:
    if count != 3 or height % 2 or width % 2:
        expected = "a head and two wrist cameras, height and width even"
        raise ContractError("layout.cameras", (count, height, width), expected)
    half = (height // 2, width // 2)
    return [(0, 0, height, width), (height, 0, *half), (height, width // 2, *half)]


#: Arrangement name -> regions of so many cameras, tiles of (height, width) pixels; ``head_above_wrists`` is RoboTwin's:
#: the wrists at half size, left and right.
ARRANGEMENTS: Mapping[str, Callable[[int, int, int], list[Region]]] = {
    "horizontal": _horizontal,
    "vertical": _vertical,
    "head_above_wrists": _head_above_wrists,
}


@dataclass(frozen=True)
class ImageLayout:
    """Which cameras make up the model image, in order; each becomes a tile of ``height`` x ``width`` pixels.

    ``upside_down`` turns every image by 180 degrees first: LIBERO's are rendered so and were turned for training.
    """

    cameras: tuple[str, ...]
    height: int
    width: int
    arrangement: str = "horizontal"
    upside_down: bool = False

    def __post_init__(self) -> None:
        look_up(ARRANGEMENTS, self.arrangement, "layout.arrangement")
        if not self.cameras or len(set(self.cameras)) != len(self.cameras):
            raise ContractError("layout.cameras", self.cameras, "one or more different camera names")
        self._tiles()

    def _tiles(self) -> list[Region]:
        return ARRANGEMENTS[self.arrangement](len(self.cameras), self.height, self.width)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the laid-out image."""
        tiles = self._tiles()
        return max(top + height for top, _, height, _ in tiles), max(left + width for _, left, _, width in tiles)

    @property
    def regions(self) -> dict[str, Region]:
        """Camera name -> (top, left, height, width) in the laid-out image."""
        return dict(zip(self.cameras, self._tiles(), strict=True))


def decode_image(
    data: NDArray[np.uint8], encoding: str, height: int, width: int, row_bytes: int = 0, name: str = "image"
) -> NDArray[np.uint8]:
    """Message bytes to uint8 RGB ``[height, width, 3]``.

    Args:
        data: flat bytes, ``height`` rows of ``row_bytes`` (0: no padding).
        name: what errors call this image, e.g. its camera.

    Raises:
        ContractError: unknown encoding, or a number of bytes that does not fit the size.
    """
    check_bytes(data, encoding, height, width, row_bytes, name)
    channels, conversion, _ = ENCODINGS[encoding]
    row_bytes = row_bytes or width * channels
    pixels = data.reshape(height, row_bytes)[:, : width * channels].reshape(height, width, channels)
    return np.ascontiguousarray(pixels if conversion is None else cv2.cvtColor(pixels, conversion), np.uint8)


def check_bytes(data: NDArray[np.uint8], encoding: str, height: int, width: int, row_bytes: int, name: str) -> None:
    """Raise :class:`ContractError` for an unknown encoding, or bytes that do not fit the size; as
    :func:`decode_image`."""
    channels, _, (rows, columns) = look_up(ENCODINGS, encoding, f"{name}.encoding")
    if height % rows or width % columns:
        expected = f"a width that is a multiple of {columns} and a height of {rows} for {encoding}"
        raise ContractError(f"{name}.size", f"{width}x{height}", expected)
    row_bytes = row_bytes or width * channels
    if row_bytes < width * channels or data.size != height * row_bytes:
        expected = f"{height} rows of at least {width * channels} bytes for {encoding} {width}x{height}"
        raise ContractError(f"{name}.data", f"{data.size} bytes in rows of {row_bytes}", expected)


class Sized(Protocol):
    """A camera, as far as its size goes."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of its pictures as they are looked at."""


class Views(Protocol):
    """Whatever has cameras: a robot contract, or what published weights were trained on."""

    def camera(self, name: str, /) -> Sized: ...


def check_images(robot: Views, images: Mapping[str, NDArray[np.uint8]], cameras: Sequence[str]) -> None:
    """Raise :class:`ContractError` naming a camera that is missing or not uint8 RGB at contract size."""
    for name in cameras:
        camera = robot.camera(name)
        if name not in images:
            raise ContractError(f"images.{name}", sorted(images), f"an image of camera {name}")
        image, shape = images[name], (*camera.size, 3)
        if image.dtype != np.uint8 or image.shape != shape:
            raise ContractError(f"images.{name}", f"{image.dtype} {image.shape}", f"uint8 {shape}")


def lay_out(robot: Views, images: Mapping[str, NDArray[np.uint8]], layout: ImageLayout) -> NDArray[np.uint8]:
    """Turn, resize with pixel-area averaging and join the cameras: uint8 ``[*layout.size, 3]``.

    Raises:
        ContractError: a camera of the layout is unknown, missing, or of the wrong size or type.
    """
    check_images(robot, images, layout.cameras)
    joined = np.empty((*layout.size, 3), np.uint8)
    for name, (top, left, height, width) in layout.regions.items():
        image = cv2.rotate(images[name], cv2.ROTATE_180) if layout.upside_down else images[name]
        tile = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        joined[top : top + height, left : left + width] = tile
    return joined


def to_model_range(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 ``[..., H, W, 3]`` to float32 ``[..., 3, H, W]`` in [-1, 1]."""
    return np.ascontiguousarray(np.moveaxis(image, -1, -3), dtype=np.float32) / np.float32(127.5) - np.float32(1.0)


def to_pixels(tensor: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Inverse of :func:`to_model_range`, clipped and rounded: float ``[..., 3, H, W]`` to uint8 ``[..., H, W, 3]``."""
    return np.moveaxis(np.clip(np.rint((tensor + 1.0) * 127.5), 0, 255), -3, -1).astype(np.uint8)


def preprocess(
    robot: Views, images: Mapping[str, NDArray[np.uint8]], layout: ImageLayout
) -> tuple[NDArray[np.float32], dict[str, Region]]:
    """The model's image tensor, float32 ``[3, H, W*]`` in [-1, 1], and where each camera lies in it."""
    return to_model_range(lay_out(robot, images, layout)), layout.regions
