"""Pinhole cameras: between pixels and points before the lens (Hartley and Zisserman, Multiple View Geometry, 2003)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from wam_core.contract import FloatArray, check_finite
from wam_core.errors import ContractError
from wam_core.fields import exact_fields


@dataclass(frozen=True)
class Lens:
    """Focal lengths and principal point of undistorted pictures in pixels, as ``K`` of ``sensor_msgs/CameraInfo``.

    Points are in the optical frame (REP 103): x to the right, y down, z forward, m. The centre of the first pixel is
    at (0, 0). Focal lengths are negative where the picture was turned by 180 degrees.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def project(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Pixels ``[..., 2]`` (x, y) and depth ``[...]`` m of ``points [..., 3]``; no pixel (NaN) behind the lens."""
        depth = points[..., 2]
        before = np.where(depth > 0.0, depth, np.nan)
        x = self.cx + self.fx * points[..., 0] / before
        return np.stack((x, self.cy + self.fy * points[..., 1] / before), axis=-1), depth

    def unproject(self, pixels: FloatArray, depth: FloatArray) -> FloatArray:
        """Points ``[..., 3]`` at ``pixels [..., 2]`` and ``depth [...]`` m; NaN where there is nothing (depth inf)."""
        far = np.where(np.isfinite(depth), depth, np.nan)
        x = (pixels[..., 0] - self.cx) / self.fx * far
        return np.stack((x, (pixels[..., 1] - self.cy) / self.fy * far, far), axis=-1)

    def turned(self, width: int, height: int) -> "Lens":
        """Of the same picture, ``width`` x ``height`` pixels, turned by 180 degrees."""
        return Lens(-self.fx, -self.fy, width - 1 - self.cx, height - 1 - self.cy)

    def cropped(self, x_offset: int, y_offset: int) -> "Lens":
        """Of the part of the same picture whose first pixel is the one at ``(x_offset, y_offset)``."""
        return Lens(self.fx, self.fy, self.cx - x_offset, self.cy - y_offset)

    def tile(self, size: tuple[int, int], region: tuple[int, int, int, int]) -> "Lens":
        """Of a picture of ``size`` (height, width) that is resized into ``region`` (top, left, height, width)."""
        top, left, height, width = region
        y, x = height / size[0], width / size[1]
        # Pixels are areas: half a pixel lies before the centre of the first.
        cx, cy = (self.cx + 0.5) * x - 0.5, (self.cy + 0.5) * y - 0.5
        return Lens(self.fx * x, self.fy * y, left + cx, top + cy)


def read_lens(raw: Mapping[str, Any] | None, width: int, height: int, source: str) -> Lens | None:
    """The lens of a camera in a robot file, if it says one.

    Raises:
        ContractError: names ``source`` and the field: a number is missing, not positive, or the principal point lies
            outside the picture.
    """
    if raw is None:
        return None
    values = {name: float(value) for name, value in exact_fields(Lens, raw, source).items()}
    for field in fields(Lens):
        check_finite(f"{source}.{field.name}", np.array([values[field.name]]))
    for name, limit in (("fx", np.inf), ("fy", np.inf), ("cx", width), ("cy", height)):
        if not 0.0 < values[name] < limit:
            expected = "a positive number of pixels" if limit == np.inf else f"a pixel of {width} x {height}"
            raise ContractError(f"{source}.{name}", values[name], expected)
    return Lens(**values)
