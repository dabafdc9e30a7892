"""A recorded episode as pictures: a strip over time, imagined beside measured, and a film."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wam_core.contract import Future
from wam_core.data.messages import FUTURE_TOPIC, INSTRUCTION_TOPIC, PICTURES
from wam_core.data.predictions import predicted_future, stamp_ns
from wam_core.data.recording import Recording, recorded_contract
from wam_core.errors import ContractError
from wam_core.evaluation.film_strip import Image, Row, compare, draw, stack
from wam_core.preprocess.raw import camera_image
from wam_core.viewing.pictures import as_pictures, parts

COLUMNS, COMPARISONS = 8, 3


@dataclass(frozen=True)
class Film:
    """Images of one recording by camera, in order of their stamps, and the futures that were predicted meanwhile."""

    instruction: str
    images: Mapping[str, list[tuple[int, Image]]]
    futures: list[Future]
    tolerance_ns: int

    def at(self, instant_ns: int) -> dict[str, Image]:
        """The image of each camera taken at that instant, where there is one."""
        found = {}
        for camera, images in self.images.items():
            taken_ns, image = min(images, key=lambda entry: abs(entry[0] - instant_ns))
            if abs(taken_ns - instant_ns) <= self.tolerance_ns:
                found[camera] = image
        return found


def read_film(path: Path) -> Film:
    """Read images, instruction and futures of a recording.

    Raises:
        ContractError: no recording, no contract in it, or no images.
    """
    recording = Recording(path)
    robot, pictures, futures, instruction = None, [], [], ""
    for message in recording.messages():
        if message.type_name in PICTURES:
            pictures.append((message.topic, recording.decode(message)))
        elif message.topic == FUTURE_TOPIC:
            futures.append(predicted_future(recording.decode(message)))
        elif message.topic == INSTRUCTION_TOPIC:
            instruction = recording.decode(message).data or instruction
    robot = recorded_contract(recording, None)
    cameras = {camera.topic: camera for camera in robot.cameras}
    images: dict[str, list[tuple[int, Image]]] = {}
    for topic, m in pictures:
        if topic in cameras:
            camera = cameras[topic]
            images.setdefault(camera.name, []).append((stamp_ns(m), camera_image(camera, m).rgb()))
    if not images:
        raise ContractError(path.name, "no images", f"images on one of {', '.join(cameras)}")
    # What was imagined before the first image continues another scene, which a reset has ended.
    begin_ns = min(found[0][0] for found in images.values())
    shown = [as_pictures(part) for f in futures if f.stamp_ns >= begin_ns for part in parts(f)]
    return Film(instruction, images, shown, round(0.6e9 / robot.rates.camera_hz))


def strip(film: Film) -> Image:
    """Each camera over the whole episode, then some futures of which half or more came to be measured: imagined below
    measured."""
    stamps = [stamp for stamp, _ in next(iter(film.images.values()))]
    instants = [stamps[i] for i in np.linspace(0, len(stamps) - 1, COLUMNS).round().astype(int)]
    shown = [film.at(instant) for instant in instants]
    rows = [Row(camera, [images.get(camera) for images in shown]) for camera in film.images]
    parts = [draw([f"{(instant - stamps[0]) / 1e9:.1f} s" for instant in instants], rows, zoom=1)]
    end_ns = stamps[-1] + film.tolerance_ns
    seen = [f for f in film.futures if f.stamp_ns + (len(f.values) + 1) // 2 * f.step_ns <= end_ns]
    if seen:
        chosen = np.unique(np.linspace(0, len(seen) - 1, COMPARISONS).round().astype(int))
        parts += [compared(film, seen[i]) for i in chosen]
    return stack(parts)


def compared(film: Film, future: Future) -> Image:
    """One future beside what was measured at its instants."""
    instants = [future.stamp_ns + k * future.step_ns for k in range(len(future.values) + 1)]
    return draw(*compare(future, [film.at(instant) for instant in instants]))


def frames(film: Film) -> Iterator[Image]:
    """One picture per image of the first camera: all cameras, below each what was imagined for that instant."""
    kinds = dict.fromkeys(future.substrate for future in film.futures if future.regions)
    for instant_ns, _ in next(iter(film.images.values())):
        measured = film.at(instant_ns)
        rows = [Row("measured", [measured.get(camera) for camera in film.images])]
        for kind in kinds:
            imagined = _imagined(film, kind, instant_ns)
            rows.append(Row(f"imagined|{kind}", [imagined.get(camera) for camera in film.images]))
        yield draw(list(film.images), rows, zoom=1)


def _imagined(film: Film, kind: str, instant_ns: int) -> dict[str, Image]:
    """The frame nearest to the instant of the newest future of a kind that covers it."""
    for future in reversed(film.futures):
        steps = (instant_ns - future.stamp_ns) / future.step_ns
        if future.substrate == kind and 0.0 < steps <= len(future.values):
            frame = future.values[max(round(steps) - 1, 0)]
            return {name: frame[t : t + h, left : left + w] for name, (t, left, h, w) in future.regions.items()}
    return {}
