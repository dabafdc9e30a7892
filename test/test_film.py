"""`wam film`: a recorded episode as files that any viewer opens."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PilImage
from rclpy.serialization import serialize_message
from synthetic_recording import CAMERAS, START_NS, known_image, small_robot

from wam_core.cli.main import run
from wam_core.contract import Future
from wam_core.data import messages
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.recorder import Recorder
from wam_core.errors import ContractError
from wam_core.evaluation.film import frames, read_film
from wam_core.evaluation.film import strip as film_strip
from wam_ros import conversion

ROBOT = small_robot()
STEP, STEPS = ROBOT.step_ns, 5
IMAGINED = np.random.default_rng(5).integers(0, 256, (2, 12, 32, 3), np.uint8)
OTHER = np.random.default_rng(6).integers(0, 256, (2, 12, 32, 3), np.uint8)
REGIONS = {"front": (0, 0, 12, 16), "wrist": (0, 16, 12, 16)}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five images of each camera; a future of two frames that follows the first, and one of before it."""
    path = tmp_path_factory.mktemp("film") / "push.mcap"
    with Recorder(path, ROBOT, {}) as recorder:
        writer = EpisodeWriter(recorder, ROBOT)
        writer.instruction("push the red block", START_NS)
        for step in range(STEPS):
            for camera in CAMERAS:
                writer.image(camera, known_image(camera, step), START_NS + step * STEP)
        for stamp_ns, values in ((START_NS - STEP, OTHER), (START_NS, IMAGINED)):
            future = conversion.future_message(ROBOT, Future(stamp_ns, "video", STEP, values, REGIONS), "m")
            recorder.write(messages.FUTURE_TOPIC, "wam_msgs/msg/PredictedFuture", serialize_message(future), START_NS)
    return path


def test_imagined_frames_stand_below_the_images_of_their_instants(recording: Path) -> None:
    """Prevents: imagination that runs ahead of, or behind, what it is held against, or that is of another scene."""
    shown = list(frames(read_film(recording)))
    assert len(shown) == STEPS
    tiles = [IMAGINED[k, :, :16] for k in range(2)]
    found = [[contains(picture, tile) for tile in tiles] for picture in shown]
    assert found == [[False, False], [True, False], [False, True], [False, False], [False, False]]
    assert not any(contains(picture, OTHER[k, :, :16]) for picture in shown for k in range(2))
    assert all(contains(picture, known_image("wrist", k)) for k, picture in enumerate(shown))


@pytest.mark.parametrize("ending", ["gif", "mp4"])
def test_a_film_has_a_frame_for_each_image(ending: str, recording: Path, tmp_path: Path) -> None:
    """Prevents: a file that no player opens, or one that lost frames, colours or its end."""
    out = tmp_path / f"push.{ending}"
    assert run("film", [str(recording), "--out", str(out)]) == 0
    shown = list(frames(read_film(recording)))
    seen = gif(out) if ending == "gif" else video(out)
    assert len(seen) == STEPS
    for picture, wanted in zip(seen, shown, strict=True):
        height, width = picture.shape[:2]
        apart = np.abs(picture.astype(float) - wanted[:height, :width])
        assert height >= wanted.shape[0] - 1 and width >= wanted.shape[1] - 1 and apart.mean() < 12.0


def test_a_strip_is_one_picture_and_other_endings_are_named(recording: Path, tmp_path: Path) -> None:
    """Prevents: an ending that is written as something else."""
    assert run("film", [str(recording), "--out", str(tmp_path / "push.png")]) == 0
    strip = cv2.imread(str(tmp_path / "push.png"))[:, :, ::-1]
    assert contains(strip, known_image("front", 0)) and contains(strip, known_image("front", STEPS - 1))
    with pytest.raises(ContractError, match=r"\.gif, \.mp4, \.png"):
        run("film", [str(recording), "--out", str(tmp_path / "push.webm")])


@pytest.mark.parametrize(("unseen", "shown"), [(0, True), (1, True), (2, False)])
def test_a_strip_shows_a_future_of_which_half_was_measured(unseen: int, shown: bool, recording: Path) -> None:
    """Prevents: a short episode's strip without anything imagined, or with what nothing can be held against."""
    film = read_film(recording)
    until_ns = START_NS + (2 - unseen) * STEP
    cut = {camera: [image for image in images if image[0] <= until_ns] for camera, images in film.images.items()}
    strip = film_strip(replace(film, images=cut))
    imagined = cv2.resize(IMAGINED[0, :, :16], (32, 24), interpolation=cv2.INTER_NEAREST)
    assert contains(strip, imagined) is shown


def contains(picture: np.ndarray, tile: np.ndarray) -> bool:
    """Whether the tile is somewhere in the picture, pixel by pixel."""
    return float(cv2.matchTemplate(np.ascontiguousarray(picture), tile, cv2.TM_SQDIFF_NORMED).min()) < 1e-6


def gif(path: Path) -> list[np.ndarray]:
    with PilImage.open(path) as film:
        pictures = []
        for k in range(film.n_frames):
            film.seek(k)
            pictures.append(np.asarray(film.convert("RGB")))
        return pictures


def video(path: Path) -> list[np.ndarray]:
    capture, pictures = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        pictures.append(read[1][:, :, ::-1])
    return pictures
