"""Pictures of a recorded episode, without a display: a PNG strip, or a GIF or MP4 film, by the ending of --out."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PilImage

from wam_core.errors import look_up
from wam_core.evaluation.film import Film, frames, read_film, strip
from wam_core.evaluation.film_strip import Image

FPS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=Path, help="MCAP file or rosbag2 folder")
    parser.add_argument("--out", type=Path, default=None, help="picture.png, film.gif or film.mp4; default: beside it")


def run(arguments: argparse.Namespace) -> int:
    out = arguments.out or arguments.recording.with_suffix(".png")
    write = look_up(WRITERS, out.suffix, "out")
    film = read_film(arguments.recording)
    out.parent.mkdir(parents=True, exist_ok=True)
    write(film, out)
    print(f"{out}: {film.instruction!r}, cameras {', '.join(film.images)}, {len(film.futures)} imagined futures")
    return 0


def _png(film: Film, out: Path) -> None:
    cv2.imwrite(str(out), strip(film)[:, :, ::-1])


def _gif(film: Film, out: Path) -> None:
    first, *others = (PilImage.fromarray(frame) for frame in frames(film))
    first.save(out, save_all=True, append_images=others, duration=round(1000 / FPS), loop=0)


def _mp4(film: Film, out: Path) -> None:
    pictures: Sequence[Image] = [np.ascontiguousarray(frame[:, :, ::-1]) for frame in frames(film)]
    height, width = pictures[0].shape[:2]
    # The codec takes even sizes only.
    size = (width - width % 2, height - height % 2)
    video = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*"mp4v"), FPS, size)
    for picture in pictures:
        video.write(np.ascontiguousarray(picture[: size[1], : size[0]]))
    video.release()


#: Ending of the file -> how it is written.
WRITERS: Mapping[str, Callable[[Film, Path], None]] = {".png": _png, ".gif": _gif, ".mp4": _mp4}
