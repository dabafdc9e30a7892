"""What predicted features look like: of the pictures that were seen, the one whose features are the most similar."""

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.substrates.substrate import Scenes, Substrate

Image = NDArray[np.uint8]

#: Pictures that are remembered.
LENGTH = 64


class Recollection:
    """Nobody can look at features; this is what they stand for, as far as it was seen before.

    Pictures are encoded when somebody asks, once each.
    """

    def __init__(self, substrate: Substrate) -> None:
        self._substrate = substrate
        self._unread: deque[Image] = deque(maxlen=LENGTH)
        self._known: deque[tuple[Image, Tensor]] = deque(maxlen=LENGTH)

    def keep(self, image: Image) -> None:
        """Remember a laid-out picture, uint8 ``[H, W*, 3]``."""
        self._unread.append(image)

    def nearest(self, features: Tensor) -> Image | None:
        """The picture whose features lie nearest to ``features [1, N, F]`` (Euclidean); None before one was seen."""
        if self._unread:
            images = np.stack(self._unread)
            encoded = self._substrate.encode(Scenes(images), np.arange(len(images))[:, None])
            self._known.extend(zip(images, encoded, strict=True))
            self._unread.clear()
        if not self._known:
            return None
        distances = torch.stack([(known - features[0]).square().sum() for _, known in self._known])
        return self._known[int(distances.argmin())][0]
