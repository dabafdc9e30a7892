"""Streams that are read at every action step: what is felt and heard between two predicted pictures counts, too."""

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def every_step(rows: IntArray, stride: int) -> IntArray:
    """``[M, 1 + instants * stride]`` the rows of every step of clips ``[M, 1 + instants]`` that are ``stride`` apart.

    As clips do, it stays at the last row of a stretch once that is reached.
    """
    between = np.minimum(rows[:, :-1, None] + np.arange(1, stride + 1), rows[:, 1:, None])
    return np.concatenate((rows[:, :1], between.reshape(len(rows), -1)), axis=1)
