"""What of a camera's picture is looked at: a rectangle of it, as ``roi`` of ``sensor_msgs/CameraInfo`` names one.

It stands with the camera in the robot file, and not in a preset: it is in pixels of that camera, and whatever looks at
the camera, a model, what people compare its futures with, or the geometry of its pixels, looks at the same picture.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from wam_core.errors import ContractError
from wam_core.fields import read


@dataclass(frozen=True)
class Crop:
    """In pixels of the straight picture before it is turned or resized; its first is ``(x_offset, y_offset)``."""

    x_offset: int
    y_offset: int
    width: int
    height: int


def read_crop(raw: Mapping[str, Any] | None, width: int, height: int, source: str) -> Crop | None:
    """The crop of the camera ``source`` of ``width`` x ``height`` pixels in a robot file, if it says one.

    Raises:
        ContractError: a number is missing or not whole, or the rectangle is empty or reaches out of the picture.
    """
    if raw is None:
        return None
    crop = read(Crop, raw, f"{source}.crop")
    inside = crop.x_offset + crop.width <= width and crop.y_offset + crop.height <= height
    if not inside or min(crop.x_offset, crop.y_offset) < 0 or min(crop.width, crop.height) < 1:
        expected = f"x_offset, y_offset, width, height of a rectangle in {width}x{height}"
        raise ContractError(f"{source}.crop", astuple(crop), expected)
    return crop
