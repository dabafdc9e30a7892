"""The UMT5 text encoder through ``transformers``, with the conventions of Wan and Fast-WAM."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.pretrained.conventions import TextSize
from wam_core.pretrained.library import loaded, place

#: Fast-WAM's prompt.
FAST_WAM_PROMPT = "A video recorded from a robot's point of view executing the following instruction: {task}"


class PromptEncoder:
    """Instructions to context tokens ``[length, D]``, each computed once.

    Padding is zeroed, and nothing masks it afterwards: the cross-attention of Wan sees ``length`` tokens, whatever the
    prompt. ``template`` is the prompt around an instruction, ``{task}``.
    """

    def __init__(self, encoder: Any, tokenizer: Any, length: int, template: str = FAST_WAM_PROMPT) -> None:
        self.encoder = encoder.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.length = length
        self.template = template
        self._known: dict[str, Tensor] = {}

    @torch.no_grad()
    def embed(self, instruction: str) -> Tensor:
        """Float32 ``[length, D]`` on the CPU.

        Raises:
            ContractError: no word, or a prompt of more than ``length`` tokens (a cut-off task would be another task).
        """
        task = " ".join(instruction.split())
        if not task:
            raise ContractError("instruction", instruction, "a task in words")
        if task not in self._known:
            self._known[task] = self._embed(self.template.format(task=task))
        return self._known[task]

    def _embed(self, prompt: str) -> Tensor:
        found = len(self.tokenizer(prompt).input_ids)
        if found > self.length:
            raise ContractError("instruction", prompt, f"a prompt of at most {self.length} tokens, this has {found}")
        tokens = self.tokenizer(prompt, padding="max_length", max_length=self.length, return_tensors="pt")
        ids, mask = (tokens[k].to(self.encoder.device) for k in ("input_ids", "attention_mask"))
        states = self.encoder(ids, attention_mask=mask).last_hidden_state[0]
        return (states * mask[0, :, None]).float().cpu()


def random_text(size: TextSize, width: int, length: int) -> Callable[[], Tensor]:
    """A UMT5 encoder with random weights, of a prompt of ``length`` tokens: each call computes context tokens ``[1,
    length, width]`` anew.

    Raises:
        ContractError: ``transformers`` is not installed.
    """

    def load() -> Any:
        from transformers import UMT5Config, UMT5EncoderModel

        config = UMT5Config(
            vocab_size=length,  # words are looked up, so that it does not matter how many more it knows
            d_model=width,
            d_kv=width // size.heads,
            d_ff=size.ffn,
            num_layers=size.layers,
            num_heads=size.heads,
        )
        return UMT5EncoderModel(config).eval()

    encoder = loaded("text", "random weights", load)
    ids = torch.arange(length)[None]
    mask = torch.ones_like(ids)

    @torch.no_grad()
    def embed() -> Tensor:
        states: Tensor = encoder(ids, attention_mask=mask).last_hidden_state
        return states

    return embed


def load_text(
    name_or_path: str, length: int = 128, template: str = FAST_WAM_PROMPT, dtype: torch.dtype = torch.float32
) -> PromptEncoder:
    """Encoder and tokenizer by a pipeline's folder (``text_encoder``, ``tokenizer``), one folder, or name.

    Raises:
        ContractError: not found, or ``transformers`` is not installed.
    """

    def load() -> PromptEncoder:
        from transformers import AutoTokenizer, UMT5EncoderModel

        source = place(name_or_path, "text_encoder")
        encoder = UMT5EncoderModel.from_pretrained(source, dtype=dtype, use_safetensors=True)
        return PromptEncoder(encoder, AutoTokenizer.from_pretrained(place(name_or_path, "tokenizer")), length, template)

    return loaded("text", name_or_path, load)
