"""A camera's pictures made straight: where each pixel is taken from, computed once for a camera.

The straight picture has the size and the camera matrix K of the calibration, so that a pixel of it looks where the
camera's :class:`~wam_core.robot.lens.Lens` says. What the camera did not see is black.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.robot.contract import Camera
from wam_core.robot.distortion import Distortion
from wam_core.robot.lens import Lens

#: Cameras whose maps are kept, six bytes a pixel.
KEPT = 16


@dataclass(frozen=True, eq=False)
class Undistortion:
    """OpenCV's fixed-point maps: OpenCV and ``picture.cu`` take the same pixels at the same shares, of 1/32.

    Attributes:
        pixels: int16 ``[H, W, 2]``, x and y in the camera's picture of the upper left one of the four pixels that a
            pixel of the straight picture lies between; any of the four may lie outside.
        shares: uint16 ``[H, W]``, how far it lies from there, in 1/32 of a pixel: right + 32 * down.
    """

    pixels: NDArray[np.int16]
    shares: NDArray[np.uint16]

    def picture(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 ``[H, W, 3]`` made straight, bilinear."""
        straight: Any = cv2.remap(image, self.pixels, self.shares, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return straight

    def nearest(self, values: NDArray[Any], nothing: float) -> NDArray[Any]:
        """``[H, W]`` of what must not be mixed, as distances; ``nothing`` where the camera did not look."""
        plain = values.astype(np.float32)
        straight: NDArray[Any] = cv2.remap(
            plain, self.pixels, self.shares, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=nothing
        )
        return straight.astype(values.dtype)


def undistortion_of(camera: Camera) -> Undistortion | None:
    """How the camera's pictures are made straight; None where they are to be looked at as they are."""
    if camera.distortion is None or camera.lens is None:
        return None
    return _undistortion(camera.lens, camera.distortion, camera.width, camera.height)


@lru_cache(KEPT)
def _undistortion(lens: Lens, distortion: Distortion, width: int, height: int) -> Undistortion:
    matrix = np.array([[lens.fx, 0.0, lens.cx], [0.0, lens.fy, lens.cy], [0.0, 0.0, 1.0]])
    x, y = _MAPS[distortion.model](matrix, np.array(distortion.coefficients), (width, height))
    pixels, shares = cv2.convertMaps(x, y, cv2.CV_16SC2)  # saturated: what lies far outside stays outside
    return Undistortion(np.asarray(pixels, np.int16), np.asarray(shares, np.uint16))


def _perspective(matrix: FloatArray, coefficients: FloatArray, size: tuple[int, int]) -> Any:
    return cv2.initUndistortRectifyMap(matrix, coefficients, None, matrix, size, cv2.CV_32FC1)  # type: ignore[call-overload]


def _fisheye(matrix: FloatArray, coefficients: FloatArray, size: tuple[int, int]) -> Any:
    return cv2.fisheye.initUndistortRectifyMap(matrix, coefficients, np.eye(3), matrix, size, cv2.CV_32FC1)


#: Distortion model -> float32 ``[H, W]`` x and y in the camera's picture of each pixel of the straight one.
_MAPS: Mapping[str, Callable[[FloatArray, FloatArray, tuple[int, int]], Any]] = {
    "plumb_bob": _perspective,
    "rational_polynomial": _perspective,
    "equidistant": _fisheye,
}
