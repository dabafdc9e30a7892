"""The small text encoder trained with the model: words of a closed vocabulary to context tokens."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wam_core.errors import ContractError


def words_of(instruction: str) -> list[str]:
    """Lower-case words of an instruction."""
    return re.findall(r"[a-z0-9']+", instruction.lower())


class TextEncoder(nn.Module):
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
