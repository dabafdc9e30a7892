"""The ways to the model's picture that can be chosen by name."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from wam_core.preprocess.fused import FusedPictures
from wam_core.preprocess.images import ImageLayout, Views, lay_out

#: From camera name -> uint8 RGB ``[H, W, 3]`` to the laid-out picture, uint8 ``[*layout.size, 3]``.
Pictures = Callable[[Mapping[str, NDArray[np.uint8]]], NDArray[np.uint8]]


def _opencv(robot: Views, layout: ImageLayout) -> Pictures:
    return partial(lay_out, robot, layout=layout)


PREPROCESSORS: Mapping[str, Callable[[Views, ImageLayout], Pictures]] = {"opencv": _opencv, "cupy": FusedPictures}
