"""What token groups contain: the modality that tokenises them and where their tokens stand in time and space."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wam_core.errors import ContractError


@dataclass(frozen=True)
class Content:
    """``modality`` is a key of :data:`MODALITIES`; ``future`` tells a predicted span from the present one."""

    modality: str
    future: bool


CONTENTS: Mapping[str, Content] = {
    "first_frame": Content("video", future=False),
    "future_video": Content("video", future=True),
    "action": Content("action", future=True),
}


@dataclass(frozen=True)
class Sizes:
    """Shapes that all contents of one preset share.

    Attributes:
        latent: channels, height, width of one video latent frame.
        future_frames: latent frames predicted after the first.
        patch: side of a square video patch in latent pixels.
        horizon: action steps in a chunk.
        action_dim: columns of an action.
    """

    latent: tuple[int, int, int]
    future_frames: int
    patch: int
    horizon: int
    action_dim: int


class Modality(nn.Module, ABC):
    """Between a content's features ``[B, N, F]`` and trunk tokens ``[B, N, width]``."""

    @abstractmethod
    def embed(self, features: Tensor) -> Tensor:
        """Features to tokens."""

    @abstractmethod
    def head(self, tokens: Tensor, time: Tensor) -> Tensor:
        """Tokens and the expert's time vector ``[B, width]`` to predicted features."""

    @abstractmethod
    def positions(self, future: bool) -> Tensor:
        """Integer positions ``[N, axes]`` of the present (``future=False``) or the predicted span."""


class VideoModality(Modality):
    """Square patches of video latents; the head is Wan's modulated one.

    Rotary embedding tells how far apart tokens are, not where one is. ``places`` adds that, which a model without
    pre-training needs in order to read positions off attended patches; zeros (the start) are Wan's embedding.
    """

    def __init__(self, sizes: Sizes, width: int) -> None:
        super().__init__()
        channels, height, cols = sizes.latent
        if height % sizes.patch or cols % sizes.patch:
            raise ContractError("sizes.patch", sizes.patch, f"a divisor of the latent size {height}x{cols}")
        self.grid = (height // sizes.patch, cols // sizes.patch)
        self.future_frames = sizes.future_frames
        features = channels * sizes.patch**2
        self.patch_embedding = nn.Linear(features, width)
        self.places = nn.Parameter(torch.zeros(self.grid[0] * self.grid[1], width))
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.modulation = nn.Parameter(torch.randn(1, 2, width) / width**0.5)
        self.out = nn.Linear(width, features)

    def embed(self, features: Tensor) -> Tensor:
        frames = features.unflatten(1, (-1, len(self.places)))
        return (self.patch_embedding(frames) + self.places).flatten(1, 2)

    def head(self, tokens: Tensor, time: Tensor) -> Tensor:
        shift, scale = (self.modulation + time[:, None]).unsqueeze(2).unbind(1)
        return self.out(self.norm(tokens) * (1 + scale) + shift)

    def positions(self, future: bool) -> Tensor:
        frames = torch.arange(1, self.future_frames + 1) if future else torch.zeros(1, dtype=torch.long)
        rows, cols = (torch.arange(n) for n in self.grid)
        return torch.cartesian_prod(frames, rows, cols)


class ActionModality(Modality):
    """One token per action step; plain linear encoder and head, as Fast-WAM's action expert, plus learned places."""

    def __init__(self, sizes: Sizes, width: int) -> None:
        super().__init__()
        self.horizon = sizes.horizon
        self.action_encoder = nn.Linear(sizes.action_dim, width)
        self.places = nn.Parameter(torch.zeros(sizes.horizon, width))
        self.out = nn.Linear(width, sizes.action_dim)

    def embed(self, features: Tensor) -> Tensor:
        return self.action_encoder(features) + self.places

    def head(self, tokens: Tensor, time: Tensor) -> Tensor:
        return self.out(tokens)

    def positions(self, future: bool) -> Tensor:
        return torch.arange(self.horizon)[:, None]


MODALITIES: Mapping[str, type[Modality]] = {"video": VideoModality, "action": ActionModality}


def patchify(latents: Tensor, patch: int) -> Tensor:
    """Video latents ``[B, C, T, h, w]`` to features ``[B, T * h/p * w/p, C * p * p]``, time first."""
    b, c, t, h, w = latents.shape
    split = latents.reshape(b, c, t, h // patch, patch, w // patch, patch)
    return split.permute(0, 2, 3, 5, 1, 4, 6).reshape(b, t * (h // patch) * (w // patch), c * patch * patch)


def unpatchify(features: Tensor, patch: int, latent: tuple[int, int, int]) -> Tensor:
    """Inverse of :func:`patchify`."""
    c, h, w = latent
    split = features.reshape(len(features), -1, h // patch, w // patch, c, patch, patch)
    return split.permute(0, 4, 1, 2, 5, 3, 6).reshape(len(features), c, -1, h, w)
