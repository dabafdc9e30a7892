"""Points followed from picture to picture by their optical flow (Lucas and Kanade 1981; pyramids by Bouguet 2001).

Flow is taken where the picture has texture. Dense flow fills the rest in from its surroundings, and on bodies without
texture most of what it says is filled in.
"""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.robot.geometry import View

Grey = NDArray[np.uint8]

WINDOW = 9
LEVELS = 2
#: A point that does not come back to within this many pixels when it is followed backwards is lost.
RETURN = 0.7
#: Gradients of this many grey levels a pixel are half texture, half noise.
NOISE = 5.0
#: A pixel this much (share of its depth) behind the nearest of its neighbours may belong to either of two bodies.
BEHIND = 0.02
#: What is further away tells nothing of a motion (m).
FAR = 3.0
STOP = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 30, 0.01)


def greys(pictures: NDArray[np.generic]) -> list[Grey]:
    """Luminance of uint8 RGB ``[T, H, W*, 3]``, one by one."""
    frames = np.asarray(pictures, np.uint8)
    return [np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8) for frame in frames]


def sound_depth(depth: FloatArray, views: Iterable[View]) -> NDArray[np.bool_]:
    """``[H, W*]``: where laid-out ``depth [H, W*]`` m is that of one body: not at the far side of an edge."""
    sound = np.zeros(depth.shape, bool)
    for top, left, height, width in (view.region for view in views):
        tile = np.minimum(depth[top : top + height, left : left + width], FAR)
        nearest = cv2.erode(tile, np.ones((3, 3), np.uint8))
        sound[top : top + height, left : left + width] = tile < (1.0 + BEHIND) * nearest
    return sound & (depth < FAR)


class Found(NamedTuple):
    """Where points were found, ``[N, 2]`` pixels (x, y), and which of them, ``[N]`` bool."""

    pixels: FloatArray
    found: NDArray[np.bool_]


def texture(picture: Grey) -> FloatArray:
    """``[H, W, 2, 2]``: how well a shift of each place would be seen, 0..1 by direction.

    The symmetric square root of the structure tensor (Harris and Stephens 1988), its roots saturated: an edge tells the
    shift across it, and nothing of that along it.
    """
    x, y = (np.asarray(cv2.Scharr(picture, cv2.CV_32F, 1 - axis, axis) / 32.0, np.float32) for axis in (0, 1))
    xx, xy, yy = (cv2.boxFilter(np.asarray(p, np.float32), -1, (5, 5)) for p in (x * x, x * y, y * y))
    tensors = np.stack((xx, xy, xy, yy), axis=-1).reshape(*picture.shape, 2, 2).astype(np.float64)
    values, vectors = np.linalg.eigh(tensors)
    roots = np.sqrt(np.maximum(values, 0.0))
    weights = roots / (roots + NOISE)
    return np.asarray(vectors * weights[..., None, :] @ np.swapaxes(vectors, -1, -2))


def follow(before: Grey, after: Grey, pixels: FloatArray, guess: FloatArray) -> Found:
    """Where ``pixels [N, 2]`` of ``before`` are in ``after``, looked for around ``guess [N, 2]``."""
    if not len(pixels):
        return Found(pixels, np.zeros(0, bool))
    here, there = _flow(before, after, pixels, guess)
    back, returned = _flow(after, before, here, pixels)
    within = (here >= 1.0).all(axis=1) & (here <= np.subtract(after.shape[::-1], 2)).all(axis=1)
    return Found(here, there & returned & within & (np.linalg.norm(back - pixels, axis=1) < RETURN))


def _flow(before: Grey, after: Grey, pixels: FloatArray, guess: FloatArray) -> Found:
    start, aim = (np.ascontiguousarray(p[:, None], np.float32) for p in (pixels, guess))
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        before, after, start, aim, winSize=(WINDOW, WINDOW), maxLevel=LEVELS, criteria=STOP,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )  # fmt: skip
    return Found(found[:, 0].astype(np.float64), status[:, 0] > 0)
