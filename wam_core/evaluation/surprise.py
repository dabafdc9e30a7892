"""Imagined against measured: how far what a camera shows lies from what had been imagined for that instant."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray, Future
from wam_core.evaluation.film_strip import Image
from wam_core.robot.contract import RobotContract

#: A thing that is imagined this many pixels off is where it was expected.
SLACK = 2
#: Errors count over a window of this many pixels, so that single pixels do not.
WINDOW = 5
#: Errors of a region that make its usual level, and how many it takes to have one.
REMEMBERED, ENOUGH = 256, 16


@dataclass(frozen=True)
class Surprise:
    """One instant that was imagined and then measured.

    Attributes:
        stamp_ns: that instant; ``imagined_ns``: stamp of the observation from which it was imagined.
        sequence: of the chunk that belongs to the future.
        value: greatest ratio over the regions of error and usual error; NaN until there is a usual one.
        regions: camera -> error, 0 .. 1.
        maps: camera -> error of each pixel of its tile ``[h, w]``, 0 .. 1.
        measured: camera -> its tile, uint8 RGB ``[h, w, 3]``.
    """

    stamp_ns: int
    imagined_ns: int
    sequence: int
    value: float
    regions: Mapping[str, float]
    maps: Mapping[str, FloatArray]
    measured: Mapping[str, Image]


@dataclass(eq=False)
class _Instant:
    """One frame of a future, until every camera has shown it."""

    stamp_ns: int
    future: Future
    frame: Image
    maps: dict[str, FloatArray] = field(default_factory=dict)
    measured: dict[str, Image] = field(default_factory=dict)


class Watch:
    """Waits for imagined instants and compares them, by stamp, with what is measured then.

    A camera on the moving arm is never as well imagined as one that stands still, so each region is held against its
    own usual error: the median of its errors so far.
    """

    def __init__(self, robot: RobotContract) -> None:
        self._tolerance_ns = round(0.5e9 / robot.rates.camera_hz)
        self._waiting: list[_Instant] = []
        self._errors: dict[str, deque[float]] = {}

    def expect(self, future: Future) -> None:
        """Await every frame of a ``video`` future; those of other substrates are nothing that a camera shows."""
        if future.substrate == "video":
            for k, frame in enumerate(future.values):
                stamp_ns = future.stamp_ns + (k + 1) * future.step_ns
                self._waiting.append(_Instant(stamp_ns, future, frame.astype(np.uint8)))

    def forget(self) -> None:
        """What was imagined will not come: the scene is another one. Usual errors are kept."""
        self._waiting.clear()

    def see(self, camera: str, stamp_ns: int, image: Image) -> list[Surprise]:
        """Take one measured image (uint8 RGB of any size); returns the instants that it completed."""
        complete = []
        for instant in self._waiting:
            region = instant.future.regions.get(camera)
            if region is None or camera in instant.maps or abs(stamp_ns - instant.stamp_ns) > self._tolerance_ns:
                continue
            top, left, height, width = region
            tile = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            instant.measured[camera] = tile
            instant.maps[camera] = error_map(instant.frame[top : top + height, left : left + width], tile)
            if len(instant.maps) == len(instant.future.regions):
                complete.append(instant)
        late_ns = stamp_ns - 2 * self._tolerance_ns
        self._waiting = [i for i in self._waiting if i not in complete and i.stamp_ns >= late_ns]
        return [self._judge(instant) for instant in complete]

    def _judge(self, instant: _Instant) -> Surprise:
        errors = {name: float(found.max()) for name, found in instant.maps.items()}
        ratios = [math.nan]
        for name, error in errors.items():
            known = self._errors.setdefault(name, deque(maxlen=REMEMBERED))
            if len(known) >= ENOUGH:
                ratios.append(error / max(float(np.median(known)), 1.0 / 255.0))
            known.append(error)
        return Surprise(
            stamp_ns=instant.stamp_ns,
            imagined_ns=instant.future.stamp_ns,
            sequence=instant.future.sequence,
            value=float(np.nanmax(ratios)) if len(ratios) > 1 else math.nan,
            regions=errors,
            maps=instant.maps,
            measured=instant.measured,
        )


def error_map(imagined: Image, measured: Image) -> FloatArray:
    """Error of each pixel, 0 .. 1, of two uint8 RGB images ``[H, W, 3]`` of one size: ``[H, W]``.

    Compared is colour without brightness, each pixel with the best of those within :data:`SLACK` in the other image,
    both ways, averaged over :data:`WINDOW`: light, shading and an arm that is a little early are no surprise, a thing
    that appears or is gone is.
    """
    a, b = _colour(imagined), _colour(measured)
    both = np.maximum(_nearest(a, b), _nearest(b, a))
    return np.asarray(cv2.blur(both, (WINDOW, WINDOW)) / 255.0, np.float64)


def overlay(surprise: Surprise) -> Mapping[str, Image]:
    """Each camera's measured tile, reddened where it is not as imagined."""
    red = np.array([255.0, 0.0, 0.0])
    pictures = {}
    for name, tile in surprise.measured.items():
        share = np.clip(3.0 * surprise.maps[name], 0.0, 0.8)[:, :, None]
        pictures[name] = ((1.0 - share) * tile + share * red).astype(np.uint8)
    return pictures


def _colour(image: Image) -> NDArray[np.float32]:
    pixels = image.astype(np.float32)
    return pixels - pixels.mean(axis=2, keepdims=True)


def _nearest(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """``[H, W]`` distance of each pixel of ``a`` from the most similar one of ``b`` within the slack."""
    height, width = a.shape[:2]
    padded = np.pad(b, ((SLACK, SLACK), (SLACK, SLACK), (0, 0)), mode="edge")
    best = np.full((height, width), np.inf, np.float32)
    for down in range(2 * SLACK + 1):
        for right in range(2 * SLACK + 1):
            shifted = padded[down : down + height, right : right + width]
            np.minimum(best, np.sqrt(((a - shifted) ** 2).sum(axis=2) / 3.0), out=best)
    return best
