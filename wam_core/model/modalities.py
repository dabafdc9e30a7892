"""Between a substrate's features and the trunk's tokens: embedding, place in time and space, head."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wam_core.model.generators.bins import BINS, HIDDEN

#: What is remembered, the observed instant, and the span that is predicted.
SPANS = ("past", "present", "future")


@dataclass(frozen=True)
class TokenShape:
    """Tokens of one substrate.

    Attributes:
        present, future: token frames of the observed instant and of the predicted span.
        grid: rows and columns of one frame; empty for one token a frame that has no place in an image.
        features: numbers per token.
        past: token frames that are remembered.
        patch: side of the square of cells that one token of a grid covers; its features are channels x patch x patch.
        discrete: whether features are numbers of codes, as the middles of ``generators.bins``; neighbours have nothing
            in common.
    """

    present: int
    future: int
    grid: tuple[int, ...]
    features: int
    patch: int = 1
    past: int = 0
    discrete: bool = False

    @property
    def channels(self) -> int:
        """Numbers per cell."""
        return self.features // self.patch**2

    def frames(self, span: str) -> range:
        """Numbers of the token frames of ``span``, counted from the observed instant on; the past is negative."""
        spans = {"past": range(-self.past, 0), "present": range(self.present)}
        return spans.get(span, range(self.present, self.present + self.future))

    def tokens(self, span: str) -> int:
        """How many tokens ``span`` has."""
        cells = self.grid[0] * self.grid[1] if self.grid else 1
        return len(self.frames(span)) * cells


class Embedding(nn.Module, ABC):
    """From a substrate's features ``[B, N, F]`` to trunk tokens ``[B, N, width]``."""

    @abstractmethod
    def embed(self, features: Tensor, span: str) -> Tensor:
        """Features to tokens, of all frames of the span or of the first ones."""

    @abstractmethod
    def positions(self, span: str) -> Tensor:
        """Integer positions ``[N, axes]`` of the tokens of a span."""


class Modality(Embedding, ABC):
    """Between a substrate's features and trunk tokens, there and back."""

    @abstractmethod
    def head(self, tokens: Tensor, time: Tensor) -> Tensor:
        """Tokens and the expert's time vector ``[B, width]`` to predicted features."""


class CodeEmbedding(nn.Module):
    """A vector for each code of each feature of a token, summed over its features; one more for what is hidden.

    Between the middles of two bins it goes from one vector to the other, so that gradients tell what sees what.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.codes = nn.Parameter(0.5 * torch.randn(features, BINS + 1, width) / features**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Features ``[..., F]`` to ``[..., width]``."""
        # By erf in float32, which runtimes know, unlike the normal distribution itself.
        place = (BINS * 0.5 * (1.0 + torch.erf(x.float() / 2.0**0.5)) - 0.5).clamp(0, BINS - 1)
        below = place.detach().long().clamp(max=BINS - 2)
        feature = torch.arange(x.shape[-1], device=x.device)
        share = (place - below).to(self.codes.dtype)[..., None]
        between = torch.lerp(self.codes[feature, below], self.codes[feature, below + 1], share)
        return torch.where((x == HIDDEN)[..., None], self.codes[:, BINS], between).sum(dim=-2)


class FieldModality(Modality):
    """Frames of rows and columns, as patches of video latents; the head is Wan's modulated one.

    Rotary embedding tells how far apart tokens are, not where one is. ``places`` adds that, which a model without
    pre-training needs in order to read positions off attended patches; zeros (the start) are Wan's embedding.
    """

    def __init__(self, shape: TokenShape, width: int, outputs: int) -> None:
        super().__init__()
        self.shape = shape
        linear = not shape.discrete
        self.patch_embedding = nn.Linear(shape.features, width) if linear else CodeEmbedding(shape.features, width)
        self.places = nn.Parameter(torch.zeros(shape.grid[0] * shape.grid[1], width))
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.modulation = nn.Parameter(torch.randn(1, 2, width) / width**0.5)
        self.out = nn.Linear(width, outputs)

    def embed(self, features: Tensor, span: str) -> Tensor:
        frames = features.unflatten(1, (-1, len(self.places)))
        return (self.patch_embedding(frames) + self.places).flatten(1, 2)

    def head(self, tokens: Tensor, time: Tensor) -> Tensor:
        shift, scale = (self.modulation + time[:, None]).unsqueeze(2).unbind(1)
        return self.out(self.norm(tokens) * (1 + scale) + shift)

    def positions(self, span: str) -> Tensor:
        rows, cols = (torch.arange(n) for n in self.shape.grid)
        return torch.cartesian_prod(torch.tensor(self.shape.frames(span)), rows, cols)


class SequenceModality(Modality):
    """One token per instant; plain linear encoder and head, as Fast-WAM's action expert, plus learned places."""

    def __init__(self, shape: TokenShape, width: int, outputs: int) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = nn.Linear(shape.features, width)
        self.places = nn.Parameter(torch.zeros(shape.past + shape.present + shape.future, width))
        self.out = nn.Linear(width, outputs)

    def embed(self, features: Tensor, span: str) -> Tensor:
        frames = self.shape.frames(span)
        first = self.shape.past + frames.start
        return self.encoder(features) + self.places[first : first + features.shape[1]]

    def head(self, tokens: Tensor, time: Tensor) -> Tensor:
        return self.out(tokens)

    def positions(self, span: str) -> Tensor:
        return torch.tensor(self.shape.frames(span))[:, None]


def modality_of(shape: TokenShape, width: int, outputs: int) -> Modality:
    """What turns features of this shape into tokens of an expert's ``width``, and those into ``outputs`` numbers
    each."""
    return FieldModality(shape, width, outputs) if shape.grid else SequenceModality(shape, width, outputs)
