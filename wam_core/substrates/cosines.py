"""A fixed linear encoder of small pictures: the low frequencies of their cosine transform (as JPEG has it)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Cosines:
    """``[..., rows, columns]`` to the lowest ``kept_rows`` x ``kept_columns`` coefficients, and back to what they show.

    The transform is orthonormal but for a gain that rises with frequency, by about as much as what is measured falls:
    features of like size are learned alike.
    """

    def __init__(self, rows: int, columns: int, kept_rows: int, kept_columns: int, gain: float) -> None:
        """``gain``: the first feature of a picture that is 1 all over."""
        self.kept = kept_rows, kept_columns
        self._down, self._across = _basis(rows, kept_rows), _basis(columns, kept_columns)
        low = 1.0 + np.arange(kept_rows)[:, None] + np.arange(kept_columns)
        self._gain = torch.from_numpy(gain * low / np.sqrt(rows * columns)).float()

    def encode(self, pictures: NDArray[np.float32]) -> Tensor:
        """``[..., kept_rows * kept_columns]``."""
        coefficients = self._down @ torch.from_numpy(pictures).float() @ self._across.T
        return (coefficients * self._gain).flatten(-2)

    def decode(self, features: Tensor) -> NDArray[np.float32]:
        """``[..., rows, columns]``."""
        coefficients = features.unflatten(-1, self.kept) / self._gain
        pictures: NDArray[np.float32] = (self._down.T @ coefficients @ self._across).numpy()
        return pictures


def _basis(length: int, kept: int) -> Tensor:
    """``[kept, length]`` orthonormal rows of the DCT-II."""
    place, number = np.arange(length), np.arange(kept)[:, None]
    basis = np.cos(np.pi * number * (2 * place + 1) / (2 * length)) * np.sqrt(2.0 / length)
    basis[0] /= np.sqrt(2.0)
    return torch.from_numpy(basis).float()
