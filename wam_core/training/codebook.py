"""The codebook of picture tokens, found in recorded camera images: k-means, and k-means again on what is left."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.cluster.vq import kmeans2
from torch import Tensor

from wam_core.data.frames import TrainingFrames
from wam_core.errors import ContractError
from wam_core.model.generators.bins import BINS
from wam_core.substrates.vq_tokens import VqTokens, quantised

#: Frames that the codebook is found in.
FRAMES = 4000
ITERATIONS = 30


def fit_codebook(tokens: VqTokens, frames: TrainingFrames, seed: int) -> float:
    """Find the codebook of ``tokens``, whose VAE is trained; returns the share of variance that no code explains.

    Raises:
        ContractError: fewer tokens in the recordings than codes.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(frames.images), min(FRAMES, len(frames.images)), replace=False)
    vectors = tokens.vectors(frames.images[np.sort(chosen)]).flatten(0, 1)
    if len(vectors) < BINS:
        raise ContractError("data", len(vectors), f"recordings with at least {BINS} picture tokens")
    left, total = vectors, (vectors - vectors.mean(dim=0)).square().sum()
    for book in tokens.codebook:
        centres, _ = kmeans2(left.numpy().astype(np.float64), BINS, ITERATIONS, minit="++", rng=rng, missing="warn")
        book.copy_(torch.from_numpy(centres))
        left = left - book[quantised(left, book[None])[..., 0]]
    return float(left.square().sum() / total)


def save_codebook(tokens: VqTokens, file: Path) -> None:
    """VAE and codebook as float32 safetensors, as a ``vq_tokens`` substrate reads them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    state: dict[str, Tensor] = {k: v.contiguous() for k, v in tokens.state_dict().items()}
    save_file(state, file)
