"""Camera images as they were sent. They are decoded when somebody looks at them, and by nobody otherwise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wam_core.errors import ContractError
from wam_core.preprocess.compressed import decompress
from wam_core.preprocess.images import Region, check_bytes, decode_image
from wam_core.preprocess.undistort import Undistortion, undistortion_of
from wam_core.robot.contract import Camera


@dataclass(frozen=True, eq=False)
class RawImage:
    """The content of an image message.

    Attributes:
        data: flat bytes, ``height`` rows of ``row_bytes``.
        encoding: a key of :data:`wam_core.preprocess.images.ENCODINGS`.
        name: what errors call this image, e.g. its camera.
        undistortion: how it is made straight, of its size; None: it is looked at as it is.
        window: (top, left, height, width) of what is looked at then; None: all of it.
    """

    data: NDArray[np.uint8]
    encoding: str
    height: int
    width: int
    row_bytes: int
    name: str = "image"
    undistortion: Undistortion | None = None
    window: Region | None = None

    def __post_init__(self) -> None:
        """Raises :class:`ContractError` for an unknown encoding, or bytes, maps or a window that do not fit."""
        check_bytes(self.data, self.encoding, self.height, self.width, self.row_bytes, self.name)
        if self.undistortion is not None and self.undistortion.shares.shape != (self.height, self.width):
            mapped = self.undistortion.shares.shape
            raise ContractError(f"{self.name}.undistortion", mapped, f"maps of {self.width}x{self.height} pixels")
        top, left, high, wide = self.looked_at
        if min(top, left) < 0 or min(high, wide) < 1 or top + high > self.height or left + wide > self.width:
            raise ContractError(f"{self.name}.window", self.window, f"a part of {self.width}x{self.height} pixels")

    @property
    def looked_at(self) -> Region:
        """(top, left, height, width) of what is looked at, once it is straight."""
        return self.window or (0, 0, self.height, self.width)

    def rgb(self) -> NDArray[np.uint8]:
        """uint8 RGB ``[height, width, 3]`` of what is looked at, straight."""
        pixels = decode_image(self.data, self.encoding, self.height, self.width, self.row_bytes, self.name)
        straight = pixels if self.undistortion is None else self.undistortion.picture(pixels)
        top, left, high, wide = self.looked_at
        return np.ascontiguousarray(straight[top : top + high, left : left + wide])


def camera_image(camera: Camera, message: Any, name: str = "") -> RawImage:
    """What a camera sent, as ``sensor_msgs/Image`` or ``CompressedImage``, from a topic or from a recording.

    What was compressed is decoded here: whether it can be is known when it comes, not when a chunk is due.

    Args:
        name: what errors call it; the camera's if empty.

    Raises:
        ContractError: unknown encoding or format, a size other than the contract's, or bytes that do not fit the size
            or cannot be decoded.
    """
    name = name or camera.name
    looked_at = (name, undistortion_of(camera), camera.window)
    if hasattr(message, "format"):
        sent = np.asarray(message.data, dtype=np.uint8)
        pixels, encoding = decompress(sent, message.format, camera.height, camera.width, name)
        return RawImage(pixels, encoding, camera.height, camera.width, 0, *looked_at)
    if (message.width, message.height) != (camera.width, camera.height):
        expected = f"{camera.width}x{camera.height} as camera {camera.name} of the robot file"
        raise ContractError(f"{name}.size", f"{message.width}x{message.height}", expected)
    data = np.frombuffer(message.data, dtype=np.uint8)
    return RawImage(data, message.encoding, message.height, message.width, message.step, *looked_at)


def raw_image(pixels: NDArray[np.uint8], name: str) -> RawImage:
    """Straight uint8 RGB ``[H, W, 3]`` as a message would have it."""
    height, width, channels = pixels.shape
    return RawImage(np.ascontiguousarray(pixels).reshape(-1), "rgb8", height, width, width * channels, name)


class RawImages(Mapping[str, NDArray[np.uint8]]):
    """Camera name -> uint8 RGB ``[H, W, 3]``, decoded the first time it is asked for.

    Attributes:
        raw: camera name -> image as it was sent.
    """

    def __init__(self, raw: Mapping[str, RawImage]) -> None:
        self.raw = raw
        self._decoded: dict[str, NDArray[np.uint8]] = {}

    def __getitem__(self, name: str) -> NDArray[np.uint8]:
        if name not in self._decoded:
            self._decoded[name] = self.raw[name].rgb()
        return self._decoded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)
