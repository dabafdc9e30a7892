"""A picture of imagined beside measured frames: one column per instant, two rows per camera."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import Future

Image = NDArray[np.uint8]

MARGIN, LABEL_WIDTH, LABEL_HEIGHT = 3, 74, 16
BACKGROUND, INK, ABSENT = 24, 225, 64


@dataclass(frozen=True)
class Row:
    """Tiles of one line, left to right; None where there is no picture (yet)."""

    label: str
    tiles: Sequence[Image | None]


def compare(future: Future, measured: Sequence[Mapping[str, Image]]) -> tuple[list[str], list[Row]]:
    """Column titles and rows of a future in pictures: for each camera what was measured, below it what was imagined.

    One of no camera has a single row.

    Args:
        measured: camera name -> uint8 RGB, of the observed instant, then of each predicted one; any may be absent.
    """
    titles = ["now", *(f"+{(k + 1) * future.step_ns / 1e9:.1f} s" for k in range(len(future.values)))]
    rows = []
    for camera, (top, left, height, width) in future.regions.items():
        tiles = [_fit(images.get(camera), height, width) for images in measured]
        imagined = [frame[top : top + height, left : left + width] for frame in future.values]
        rows += [Row(f"{camera}|measured", tiles), Row("|imagined", [None, *imagined])]
    return titles, rows or [Row(f"{future.substrate}|imagined", [None, *future.values])]


def draw(titles: Sequence[str], rows: Sequence[Row], zoom: int = 2) -> Image:
    """Labels and tiles, each tile magnified ``zoom`` times: uint8 RGB ``[H, W, 3]``."""
    sizes = [tile.shape[:2] for row in rows for tile in row.tiles if tile is not None]
    height, width = (zoom * max(side) for side in zip(*sizes, strict=True))
    lines = [_line([_text(LABEL_HEIGHT, LABEL_WIDTH, ""), *(_text(LABEL_HEIGHT, width, title) for title in titles)])]
    for row in rows:
        tiles = [_magnify(tile, height, width) for tile in row.tiles]
        lines.append(_line([_text(height, LABEL_WIDTH, row.label), *tiles]))
    return stack(lines)


def stack(pictures: Sequence[Image]) -> Image:
    """Pictures below each other, on a common background."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [np.pad(p, ((0, MARGIN), (0, width - p.shape[1]), (0, 0)), constant_values=BACKGROUND) for p in pictures]
    return np.concatenate(padded, axis=0)


def _fit(image: Image | None, height: int, width: int) -> Image | None:
    return None if image is None else _resized(image, height, width, cv2.INTER_AREA)


def _magnify(tile: Image | None, height: int, width: int) -> Image:
    if tile is None:
        return np.full((height, width, 3), ABSENT, np.uint8)
    return _resized(tile, height, width, cv2.INTER_NEAREST)


def _resized(image: Image, height: int, width: int, interpolation: int) -> Image:
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)


def _text(height: int, width: int, text: str) -> Image:
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    for i, line in enumerate(text.split("|")):
        place = (4, 12 + 14 * i)
        cv2.putText(image, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, (INK,) * 3, 1, cv2.LINE_AA)
    return image


def _line(tiles: Sequence[Image]) -> Image:
    gap = np.full((tiles[0].shape[0], MARGIN, 3), BACKGROUND, np.uint8)
    return np.concatenate([part for tile in tiles for part in (tile, gap)], axis=1)
