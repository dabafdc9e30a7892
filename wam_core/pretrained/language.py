"""Published language models through ``transformers``: their layers for the trunk, their words for the context."""

from typing import Any

import torch
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.text import Text
from wam_core.model.trunk import ExpertSize, TrunkSize
from wam_core.pretrained.library import loaded


def decoder_of(expert: ExpertSize, size: TrunkSize) -> Any:
    """The library's decoder of the family ``expert.kind``: published, or random in these sizes with one head of keys.

    Raises:
        ContractError: not found, of another family or of other sizes, or ``transformers`` is not installed.
    """

    def load() -> Any:
        from transformers import AutoConfig, AutoModel

        if expert.weights:
            return AutoModel.from_pretrained(expert.weights, dtype=torch.float32, use_safetensors=True)
        config = AutoConfig.for_model(
            expert.kind,
            hidden_size=expert.width,
            intermediate_size=expert.ffn,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            num_key_value_heads=1,
            head_dim=size.head_dim,
            vocab_size=1,
            **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id")),
            # The library's own is for widths of thousands.
            initializer_range=expert.width**-0.5,
        )
        return AutoModel.from_config(config)

    model = loaded("expert", expert.weights or expert.kind, load)
    config = model.config
    widths = (config.model_type, config.hidden_size, config.intermediate_size)
    found = (*widths, config.num_hidden_layers, config.num_attention_heads, model.layers[0].self_attn.head_dim)
    wanted = (expert.kind, expert.width, expert.ffn, size.layers, size.heads, size.head_dim)
    if found != wanted:
        raise ContractError("expert.weights", found, f"kind, width, ffn, layers, heads and head_dim {wanted}")
    return model


class LanguageWords(Text):
    """Tokens and embedding of a language model; the embedding stays as it was published.

    Shorter instructions are filled up with the tokenizer's padding, which the model sees.
    """

    def __init__(self, embedding: Any, tokenizer: Any, length: int) -> None:
        super().__init__()
        self.embedding = embedding.requires_grad_(False)
        self._tokenizer, self._length = tokenizer, length
        self._padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    @property
    def width(self) -> int:
        """Of a token's embedding."""
        return int(self.embedding.embedding_dim)

    def tokenize(self, instruction: str) -> Tensor:
        """Token numbers ``[length]``.

        Raises:
            ContractError: no word, or more than ``length`` tokens.
        """
        if not instruction.split():
            raise ContractError("instruction", instruction, "a task in words")
        found = self._tokenizer(instruction).input_ids
        if len(found) > self._length:
            raise ContractError("instruction", instruction, f"at most {self._length} tokens, this has {len(found)}")
        return torch.tensor(found + [self._padding] * (self._length - len(found)))

    def forward(self, tokens: Tensor) -> Tensor:
        """``[B, length]`` token numbers to ``[B, length, width]``."""
        embedded: Tensor = self.embedding(tokens)
        return embedded


def load_words(name_or_path: str, length: int) -> LanguageWords:
    """Tokenizer and embedding by folder or name.

    Raises:
        ContractError: not found, or ``transformers`` is not installed.
    """

    def load() -> LanguageWords:
        from transformers import AutoModel, AutoTokenizer

        model = AutoModel.from_pretrained(name_or_path, dtype=torch.float32, use_safetensors=True)
        return LanguageWords(model.get_input_embeddings(), AutoTokenizer.from_pretrained(name_or_path), length)

    return loaded("text", name_or_path, load)
