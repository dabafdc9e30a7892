"""What every renderer offers."""

from typing import Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray


class Renderer(Protocol):
    """Renders one model; ``data`` holds the state, ``camera`` is a camera's name in the model."""

    def colour(self, data: mujoco.MjData, camera: str, width: int, height: int) -> NDArray[np.uint8]:
        """``[height, width, 3]`` RGB."""
        ...

    def depth(self, data: mujoco.MjData, camera: str, width: int, height: int) -> NDArray[np.float32]:
        """``[height, width]`` m along the optical axis; infinite where nothing is hit."""
        ...

    def segmentation(self, data: mujoco.MjData, camera: str, width: int, height: int) -> NDArray[np.int32]:
        """``[height, width]`` geom id, -1 where nothing is hit."""
        ...
