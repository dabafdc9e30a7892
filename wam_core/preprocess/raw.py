"""Camera images as they were sent. They are decoded when somebody looks at them, and by nobody otherwise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wam_core.preprocess.images import check_bytes, decode_image


@dataclass(frozen=True, eq=False)
class RawImage:
    """The content of an image message.

    Attributes:
        data: flat bytes, ``height`` rows of ``row_bytes``.
        encoding: a key of :data:`wam_core.preprocess.images.ENCODINGS`.
        name: what errors call this image, e.g. its camera.
    """

    data: NDArray[np.uint8]
    encoding: str
    height: int
    width: int
    row_bytes: int
    name: str = "image"

    def __post_init__(self) -> None:
        """Raises :class:`ContractError` for an unknown encoding, or bytes that do not fit the size."""
        check_bytes(self.data, self.encoding, self.height, self.width, self.row_bytes, self.name)

    def rgb(self) -> NDArray[np.uint8]:
        """uint8 RGB ``[height, width, 3]``."""
        return decode_image(self.data, self.encoding, self.height, self.width, self.row_bytes, self.name)


def raw_image(pixels: NDArray[np.uint8], name: str) -> RawImage:
    """uint8 RGB ``[H, W, 3]`` as a message would have it."""
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
