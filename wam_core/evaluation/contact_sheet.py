"""Episodes of every task as one picture: what the cameras show at the beginning, in the middle and at the end."""

import numpy as np

from wam_core.data.episode import Episode
from wam_core.evaluation.film_strip import Image, Row, draw

#: Episodes of each task; they are drawn at random from all of them.
PER_TASK = 3
TITLES = ("begin", "middle", "end")


class ContactSheet:
    """Takes episodes one by one and keeps a bounded number of pictures."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._kept: dict[str, list[tuple[str, list[Image]]]] = {}
        self._cameras: tuple[str, ...] = ()
        self._count: dict[str, int] = {}

    def add(self, episode: Episode) -> None:
        """Perhaps keep pictures of this episode: each of a task has the same chance (Vitter 1985, algorithm R)."""
        task = episode.metadata.get("task", "unnamed")
        kept, number = self._kept.setdefault(task, []), self._count.get(task, 0)
        self._count[task] = number + 1
        place = number if number < PER_TASK else int(self._rng.integers(number + 1))
        if place >= PER_TASK:
            return
        last = len(episode.stamps_ns) - 1
        tiles = [episode.images[c][k].copy() for c in episode.images for k in (0, last // 2, last)]
        self._cameras = self._cameras or tuple(episode.images)
        row = (f"{task}|{_outcome(episode)}|{last + 1} steps", tiles)
        kept[place:] = [row, *kept[place + 1 :]]

    def draw(self) -> Image:
        """Uint8 RGB ``[H, W, 3]``, one line an episode.

        Raises:
            ValueError: nothing was added.
        """
        titles = [f"{camera}, {title}" for camera in self._cameras for title in TITLES]
        rows = [Row(label, tiles) for kept in self._kept.values() for label, tiles in kept]
        return draw(titles, rows, zoom=1)


def _outcome(episode: Episode) -> str:
    return {True: "success", False: "failure", None: "unlabelled"}[episode.success]
