"""The images of a LeRobot dataset, frame by frame: PNG in its tables, or videos that hold many episodes each."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wam_core.errors import ContractError

Image = NDArray[np.uint8]


class Pictures:
    """Episodes are asked for in the order of the dataset, so that a video is read once."""

    def __init__(self, folder: Path, info: Mapping[str, Any]) -> None:
        self._folder, self._info = folder, info
        kinds = {name: feature["dtype"] for name, feature in info["features"].items()}
        self._stored = [name for name, kind in kinds.items() if kind == "image"]
        self._filmed = [name for name, kind in kinds.items() if kind == "video"]
        self._videos: dict[str, tuple[Path, cv2.VideoCapture, int]] = {}

    @property
    def names(self) -> list[str]:
        """Columns of cameras."""
        return self._stored + self._filmed

    def of(self, table: pa.Table, row: Mapping[str, Any]) -> Iterator[Mapping[str, Image]]:
        """Column of the camera -> uint8 RGB ``[H, W, 3]``, for each row of the episode's ``table``.

        Raises:
            ContractError: an image or a frame cannot be decoded.
        """
        first = {name: round(row[f"videos/{name}/from_timestamp"] * self._info["fps"]) for name in self._filmed}
        for k in range(len(table)):
            stored = {name: self._decode(name, table[name][k].as_py()) for name in self._stored}
            yield stored | {name: self._frame(name, row, first[name] + k) for name in self._filmed}

    def _decode(self, name: str, cell: Mapping[str, Any]) -> Image:
        data = cell["bytes"] or (self._folder / cell["path"]).read_bytes()
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ContractError(f"{self._folder.name}:{name}", f"{len(data)} bytes", "a picture that OpenCV reads")
        return np.ascontiguousarray(image[:, :, ::-1], np.uint8)

    def _frame(self, name: str, row: Mapping[str, Any], number: int) -> Image:
        place = {part: row[f"videos/{name}/{part}"] for part in ("chunk_index", "file_index")}
        path = self._folder / self._info["video_path"].format(video_key=name, **place)
        known, video, following = self._videos.get(name, (None, None, 0))
        if known != path or video is None:
            video, following = cv2.VideoCapture(str(path)), 0
        while following < number and video.grab():
            following += 1
        read, frame = video.read()
        if not read:
            raise ContractError(f"{path.name}:frame", number, f"one of the frames that OpenCV decodes ({following})")
        self._videos[name] = path, video, number + 1
        return np.ascontiguousarray(frame[:, :, ::-1], np.uint8)
