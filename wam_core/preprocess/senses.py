"""What was sensed beside the pictures, as channels of the scenes: the same function for recordings and live.

message --decode--> one instant of a sense --channels_of--> rows of Scenes.channels
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.errors import ContractError
from wam_core.preprocess.images import ImageLayout
from wam_core.robot.contract import RobotContract
from wam_core.robot.senses import Sense, Sensing, form, senses_of

Values = NDArray[np.generic]


def needed_senses(robot: Sensing, channels: Sequence[str], layout: ImageLayout) -> tuple[Sense, ...]:
    """Those that make ``channels`` for a model that looks at ``layout``.

    Raises:
        ContractError: the robot lacks one of them.
    """
    return tuple(sense for channel in channels for sense in senses_of(robot, channel, layout.cameras))


def looked_at(robot: RobotContract, sense: Sense, values: Values) -> Values:
    """What a sense says of the pictures that are looked at, of what it says of the straight ones."""
    return robot.camera(sense.camera).cut(values) if sense.camera else values


def channels_of(
    robot: Sensing, channels: Sequence[str], values: Mapping[str, Values], layout: ImageLayout
) -> dict[str, Values]:
    """``channels`` of one instant, without the leading axis of the scenes.

    Args:
        values: one instant of each sense that they are made of, by its name.

    Raises:
        ContractError: a sense is missing, or its values have another shape or type.
    """
    made: dict[str, Values] = {}
    for channel in channels:
        senses = senses_of(robot, channel, layout.cameras)
        made[channel] = _JOINED[channel]([_checked(robot, sense, values) for sense in senses], layout)
    return made


def _checked(robot: Sensing, sense: Sense, values: Mapping[str, Values]) -> Values:
    if sense.name not in values:
        raise ContractError(f"senses.{sense.name}", sorted(values), f"what {sense.topic} sent")
    found, (shape, kind) = values[sense.name], form(robot, sense)
    if (found.shape, found.dtype) != (shape, kind):
        raise ContractError(f"senses.{sense.name}", f"{found.dtype} {found.shape}", f"{kind} {shape}")
    return found


def _tiled(parts: Sequence[Values], layout: ImageLayout) -> Values:
    """As images are laid out, but nearest pixels: the mean of two distances is a place where nothing is."""
    joined = np.empty(layout.size, parts[0].dtype)
    for part, (top, left, height, width) in zip(parts, layout.regions.values(), strict=True):
        plain: NDArray[Any] = part.astype(np.float32)
        turned = cv2.rotate(plain, cv2.ROTATE_180) if layout.upside_down else plain
        tile = cv2.resize(turned, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        joined[top : top + height, left : left + width] = tile.astype(part.dtype)
    return joined


def _single(parts: Sequence[Values], layout: ImageLayout) -> Values:
    return parts[0]


def _stacked(parts: Sequence[Values], layout: ImageLayout) -> Values:
    return np.stack(parts)


#: Channel -> how it is made of its senses.
_JOINED: Mapping[str, Callable[[Sequence[Values], ImageLayout], Values]] = {
    "depth": _tiled,
    "object": _tiled,
    "object_pose": _single,
    "sound": _single,
    "touch": _stacked,
}
