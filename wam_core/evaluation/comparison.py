"""Imagined held against measured, by stamp: where a camera shows something other than what was imagined for it."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray, Future
from wam_core.errors import ContractError
from wam_core.evaluation.film_strip import Image
from wam_core.robot.contract import RobotContract
from wam_core.robot.geometry import View, camera_view
from wam_core.robot.kinematics import arm_model

#: Pictures are compared with at most this many pixels a side.
SIDE = 64
#: A thing that is imagined this many pixels off is where it was expected.
SLACK = 2
#: Errors count over a window of this many pixels, so that single pixels do not.
WINDOW = 5
#: What a camera showed at most this long before its instant was foreseen, too (ns).
EARLY_NS = 200_000_000
#: What happens this near to the tool is the arm's own doing (m).
OWN_M = 0.08
#: Images kept per camera: a future arrives after the image that it was imagined from.
KEPT = 64
#: An orthonormal basis of colour without brightness, by the length of grey: distances are per colour channel.
_COLOUR = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]], np.float32) / np.sqrt([[6.0], [18.0]]).astype(np.float32)

Planes = NDArray[np.float32]


@dataclass(frozen=True)
class Comparison:
    """One instant that was imagined and then measured.

    Attributes:
        stamp_ns: that instant; ``imagined_ns``: stamp of the observation from which it was imagined.
        sequence: of the chunk that belongs to the future.
        errors: camera -> ``[h, w]``, 0 .. 1, 0 is as imagined; NaN around the tool, where it is the arm's doing.
        foreseen: camera -> ``[h, w]``, 0 .. 1: the same between what was imagined and what was seen when it was, that
            is, how much change was foreseen.
        imagined, measured: camera -> uint8 RGB ``[h, w, 3]``.
    """

    stamp_ns: int
    imagined_ns: int
    sequence: int
    errors: Mapping[str, FloatArray]
    foreseen: Mapping[str, FloatArray]
    imagined: Mapping[str, Image]
    measured: Mapping[str, Image]


@dataclass(frozen=True, eq=False)
class _Shot:
    """One image as a camera took it, and where the tool was; reduced to each size that it is compared at but once."""

    stamp_ns: int
    image: Image
    tool: FloatArray | None
    colours: dict[tuple[int, int], Planes] = field(default_factory=dict)

    def colour(self, size: tuple[int, int]) -> Planes:
        if size not in self.colours:
            self.colours[size] = _colour(reduced(self.image, size))
        return self.colours[size]


@dataclass(frozen=True)
class _Instant:
    """One frame of a future that waits to be measured."""

    stamp_ns: int
    future: Future
    frame: Image


class Watch:
    """Waits for imagined instants and compares them, by stamp, with what is measured then."""

    def __init__(self, robot: RobotContract) -> None:
        self._robot = robot
        self._arm = arm_model(robot)
        self._tolerance_ns = round(0.5e9 / robot.rates.camera_hz)
        self._stale_ns = round(robot.staleness.image_s * 1e9)
        self._shots: Mapping[str, deque[_Shot]] = {camera.name: deque(maxlen=KEPT) for camera in robot.cameras}
        self._waiting: list[_Instant] = []
        self._views: dict[tuple[str, tuple[int, int]], View | None] = {}

    def expect(self, future: Future) -> list[Comparison]:
        """Await every frame of a ``video`` future; those of other substrates are nothing that a camera shows.

        Returns the instants that were measured before the future was there.
        """
        if future.substrate == "video" and future.regions:
            for k, frame in enumerate(future.values):
                stamp_ns = future.stamp_ns + (k + 1) * future.step_ns
                self._waiting.append(_Instant(stamp_ns, future, frame.astype(np.uint8)))
        return self._completed()

    def forget(self) -> None:
        """What was imagined will not come: the scene is another one."""
        self._waiting.clear()
        for shots in self._shots.values():
            shots.clear()

    def see(self, camera: str, stamp_ns: int, image: Image, tool: FloatArray | None) -> list[Comparison]:
        """Take one measured image; returns the instants that it completed.

        Args:
            image: uint8 RGB of any size; it is kept, not copied.
            tool: ``[3]`` m, base frame, where the tool was then; without it nothing is put down to the arm.
        """
        self._shots[camera].append(_Shot(stamp_ns, image, tool))
        return self._completed()

    def _completed(self) -> list[Comparison]:
        newest_ns = max((shots[-1].stamp_ns for shots in self._shots.values() if shots), default=0)
        found, waiting = [], []
        for instant in self._waiting:
            due = newest_ns + self._tolerance_ns >= instant.stamp_ns
            compared = self._compared(instant) if due else None
            if compared is not None:
                found.append(compared)
            elif newest_ns <= instant.stamp_ns + 2 * self._tolerance_ns:
                waiting.append(instant)
        self._waiting = waiting
        return found

    def _compared(self, instant: _Instant) -> Comparison | None:
        """None until every camera of the future has shown the instant."""
        future = instant.future
        pairs = {name: self._pair(name, instant) for name in future.regions}
        errors, foreseen, pictures, measured = {}, {}, {}, {}
        for name, (top, left, height, width) in future.regions.items():
            pair = pairs[name]
            if pair is None:
                return None
            begin, shot = pair
            size = reduced_size(height, width)
            pictures[name] = reduced(instant.frame[top : top + height, left : left + width], size)
            imagined = _colour(pictures[name])
            shown = (s for s in self._shots[name] if begin.stamp_ns <= s.stamp_ns <= shot.stamp_ns)
            lately = [s for s in shown if shot.stamp_ns - s.stamp_ns <= EARLY_NS + self._tolerance_ns]
            error = np.min([_apart(imagined, s.colour(size)) for s in lately], axis=0)
            errors[name] = np.where(self._own(name, size, shot.tool), np.nan, error)
            foreseen[name] = _apart(imagined, begin.colour(size))
            measured[name] = reduced(shot.image, size)
        return Comparison(instant.stamp_ns, future.stamp_ns, future.sequence, errors, foreseen, pictures, measured)

    def _pair(self, camera: str, instant: _Instant) -> tuple[_Shot, _Shot] | None:
        """What the camera showed when the instant was imagined, and at the instant."""
        shots = self._shots.get(camera, ())
        imagined_ns, stamp_ns, within_ns = instant.future.stamp_ns, instant.stamp_ns, self._tolerance_ns
        begin = _nearest(shots, imagined_ns, imagined_ns - self._stale_ns, imagined_ns + within_ns)
        shot = _nearest(shots, stamp_ns, stamp_ns - within_ns, stamp_ns + within_ns)
        return None if begin is None or shot is None else (begin, shot)

    def _own(self, camera: str, size: tuple[int, int], tool: FloatArray | None) -> NDArray[np.bool_]:
        """``[h, w]``, whether a pixel of a camera that stands still shows what is within :data:`OWN_M` of the tool."""
        key = (camera, size)
        if key not in self._views:
            self._views[key] = self._view(camera, size)
        view = self._views[key]
        if view is None or view.on_tool or tool is None:
            return np.zeros(size, np.bool_)
        (x, y), depth = view.lens.project(view.rotation.T @ (tool - view.position))
        down, right = np.mgrid[: size[0], : size[1]]
        return np.asarray(np.hypot((right - x) / view.lens.fx, (down - y) / view.lens.fy) * depth < OWN_M)

    def _view(self, camera: str, size: tuple[int, int]) -> View | None:
        try:
            return camera_view(self._robot, self._arm, camera, (0, 0, *size))
        except ContractError:
            return None


def error_map(imagined: Image, measured: Image) -> FloatArray:
    """Error of each pixel, 0 .. 1, of two uint8 RGB images ``[H, W, 3]`` of one size: ``[H, W]``.

    Compared is colour without brightness, each pixel with the best of those within :data:`SLACK` in the other image,
    both ways, averaged over :data:`WINDOW`: light, shading and an arm that is a little off are no surprise, a thing
    that appears or is gone is.
    """
    return _apart(_colour(imagined), _colour(measured))


def reduced_size(height: int, width: int) -> tuple[int, int]:
    """The size at which pictures of this size are compared: at most :data:`SIDE` a side."""
    scale = min(1.0, SIDE / max(height, width))
    return round(scale * height), round(scale * width)


def reduced(image: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def _nearest(shots: Iterable[_Shot], stamp_ns: int, from_ns: int, until_ns: int) -> _Shot | None:
    """The shot nearest to an instant of those taken from one instant until another."""
    near = (shot for shot in shots if from_ns <= shot.stamp_ns <= until_ns)
    return min(near, key=lambda shot: abs(shot.stamp_ns - stamp_ns), default=None)


def _colour(image: Image) -> Planes:
    """``[2, H, W]``, 0 .. 255."""
    return np.ascontiguousarray(np.moveaxis(image.astype(np.float32) @ _COLOUR.T, 2, 0))


def _apart(a: Planes, b: Planes) -> FloatArray:
    both = np.maximum(_nearest_colour(a, b), _nearest_colour(b, a))
    return np.asarray(cv2.blur(both, (WINDOW, WINDOW)) / 255.0, np.float64)


def _nearest_colour(a: Planes, b: Planes) -> Planes:
    """``[H, W]`` distance of each pixel of ``a`` from the most similar one of ``b`` within the slack."""
    height, width = a.shape[1:]
    padded = np.pad(b, ((0, 0), (SLACK, SLACK), (SLACK, SLACK)), mode="edge")
    best = np.full((height, width), np.inf, np.float32)
    for down in range(2 * SLACK + 1):
        for right in range(2 * SLACK + 1):
            apart = np.square(a - padded[:, down : down + height, right : right + width])
            np.minimum(best, apart[0] + apart[1], out=best)
    return np.sqrt(best)
