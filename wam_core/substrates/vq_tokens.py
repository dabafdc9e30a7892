"""Pictures as discrete tokens: the words in which a language model writes what it wants to see (CoT-VLA).

Latents of the small VAE, each token by a residual vector quantisation: a code for the vector, a code for what is left
of it, and so on (Lee et al. 2022; VILA-U, Wu et al. 2024, whose tokens CoT-VLA writes).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.model.generators.bins import BINS, from_bins, to_bins
from wam_core.model.modalities import TokenShape
from wam_core.preprocess.images import to_pixels
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec, token_grid
from wam_core.substrates.video_vae import SPACE_STRIDE, VaeSize, VideoVae, to_video

#: Frames that are encoded at a time.
PART = 64


@dataclass(frozen=True)
class VqTokensSpec(SubstrateSpec):
    """``latent_channels`` and ``width`` size the VAE, ``patch`` is the side of a token in latent pixels, ``depth`` how
    many codes it has."""

    axis = "Pixel (latent)"
    shows = "video"

    kind: str
    latent_channels: int
    width: int
    patch: int
    depth: int

    @property
    def vae(self) -> VaeSize:
        return VaeSize(self.latent_channels, self.width)

    def shape(self, clip: Clip) -> TokenShape:
        return TokenShape(1, 1, token_grid(clip, SPACE_STRIDE * self.patch), self.depth, discrete=True)

    def build(self, clip: Clip) -> Substrate:
        return VqTokens(self, clip)


class VqTokens(Substrate):
    """The observed instant and the last one, a frame alone each; ``decode`` gives uint8 RGB ``[M, 1, H, W*, 3]``.

    Attributes:
        codebook: ``[depth, BINS, F]`` vectors, coarse to fine; a feature is the middle of the bin with its number.
    """

    def __init__(self, spec: VqTokensSpec, clip: Clip) -> None:
        super().__init__()
        self.spec = spec
        height, width = clip.layout.size
        self.field = (spec.latent_channels, height // SPACE_STRIDE, width // SPACE_STRIDE)
        self.vae = VideoVae(spec.vae)
        self.codebook: Tensor
        self.register_buffer("codebook", torch.randn(spec.depth, BINS, spec.latent_channels * spec.patch**2))

    @torch.no_grad()
    def vectors(self, images: NDArray[np.uint8]) -> Tensor:
        """``[N, tokens, F]`` of uint8 ``[N, H, W*, 3]``, before they are quantised."""
        parts = torch.from_numpy(images)[:, None].split(PART)
        return torch.cat([patchify(self.vae.encode(to_video(part)), self.spec.patch) for part in parts])

    @torch.no_grad()
    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        ends = rows if rows.shape[1] == 1 else rows[:, [0, -1]]
        used, where = np.unique(ends, return_inverse=True)
        frames = from_bins(quantised(self.vectors(scenes.images[used]), self.codebook)).float()
        return frames[torch.from_numpy(where.reshape(ends.shape))].flatten(1, 2)

    @torch.no_grad()
    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        codes = to_bins(future)
        vectors = torch.stack([book[codes[..., k]] for k, book in enumerate(self.codebook)]).sum(dim=0)
        latents = unpatchify(vectors, self.spec.patch, self.field)
        pixels: NDArray[np.uint8] = to_pixels(self.vae.decode(latents).transpose(1, 2).numpy())
        return pixels


def quantised(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Codes ``[..., depth]`` of vectors ``[..., F]``: of each level the nearest to what the levels before it left."""
    codes = []
    for book in codebook:
        nearest = torch.cdist(vectors, book.expand(*vectors.shape[:-2], *book.shape)).argmin(dim=-1)
        vectors = vectors - book[nearest]
        codes.append(nearest)
    return torch.stack(codes, dim=-1)
