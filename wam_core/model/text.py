"""Instructions to context tokens: a small encoder trained with the model, or embeddings that are given."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wam_core.errors import ContractError


def words_of(instruction: str) -> list[str]:
    """Lower-case words of an instruction."""
    return re.findall(r"[a-z0-9']+", instruction.lower())


class Text(nn.Module, ABC):
    """From an instruction to context tokens ``[B, L, width]``, in two steps."""

    @abstractmethod
    def tokenize(self, instruction: str) -> Tensor:
        """What a batch holds of an instruction; raises :class:`ContractError` for one the model does not know."""

    @abstractmethod
    def forward(self, tokens: Tensor) -> Tensor:
        """A batch of these to context tokens."""


class GivenText(Text):
    """Embeddings of a language model that is no part of this one: they pass through as they are."""

    def tokenize(self, instruction: str) -> Tensor:
        raise ContractError("instruction", instruction, "embeddings of a language model, not words")

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens


class TextEncoder(Text):
    """Word and position embeddings through one self-attention layer; padding is zeroed, as in Fast-WAM."""

    def __init__(self, vocabulary: Sequence[str], length: int, width: int) -> None:
        super().__init__()
        self.vocabulary = tuple(vocabulary)
        self.length = length
        self.index = {word: i + 1 for i, word in enumerate(vocabulary)}
        self.words = nn.Embedding(len(vocabulary) + 1, width, padding_idx=0)
        self.places = nn.Parameter(torch.randn(length, width) * 0.02)
        self.layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)

    def tokenize(self, instruction: str) -> Tensor:
        """Word numbers ``[length]``, 0 for padding.

        Raises:
            ContractError: an unknown word, no word, or more than ``length`` words.
        """
        found = words_of(instruction)
        unknown = [w for w in found if w not in self.index]
        if unknown:
            raise ContractError("instruction", unknown[0], f"words the model was trained on: {', '.join(self.index)}")
        if not 0 < len(found) <= self.length:
            raise ContractError("instruction", instruction, f"1 to {self.length} words")
        ids = torch.zeros(self.length, dtype=torch.long)
        ids[: len(found)] = torch.tensor([self.index[w] for w in found])
        return ids

    def forward(self, ids: Tensor) -> Tensor:
        """``[B, length]`` word numbers to ``[B, length, width]``."""
        padding = ids == 0
        encoded = self.layer(self.words(ids) + self.places, src_key_padding_mask=padding)
        return encoded.masked_fill(padding[..., None], 0.0)
