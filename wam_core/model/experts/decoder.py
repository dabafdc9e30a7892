"""The layers of a published language model, as the library that defines it makes them (Llama, Qwen, Gemma).

What its tokens see is what the wiring says, the instruction comes first in its sequence, and other experts attend to
its keys and values layer by layer (Black et al. 2024, pi0).
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wam_core.model.rope import rotate_halves
from wam_core.model.trunk import Block, Expert, ExpertSize, KeyValue, Time, TrunkSize, attend
from wam_core.pretrained.language import decoder_of

#: Families whose layers are made of the same parts: two norms, an attention with or without normed queries, an MLP.
DECODERS = ("llama", "qwen2", "qwen3", "gemma")


class DecoderBlock(Block):
    """One decoder layer. A time is taken as what is added to the tokens before their norm."""

    def __init__(self, layer: Any, size: TrunkSize) -> None:
        super().__init__()
        self.heads = size.heads
        self.self_attn = layer.self_attn
        self.mlp = layer.mlp
        self.input_layernorm = layer.input_layernorm
        self.post_attention_layernorm = layer.post_attention_layernorm

    def open(self, x: Tensor, mod: tuple[Tensor, ...], cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Keys and values are repeated for all heads, because experts with keys of their own attend to them too."""
        own = self.self_attn
        x = self.input_layernorm(x + mod[0])
        q, k, v = (p(x).unflatten(-1, (-1, own.head_dim)) for p in (own.q_proj, own.k_proj, own.v_proj))
        if hasattr(own, "q_norm"):
            q, k = own.q_norm(q), own.k_norm(k)
        q, k = rotate_halves(q, cos, sin), rotate_halves(k, cos, sin)
        shared = self.heads // k.shape[2]
        return q, k.repeat_interleave(shared, dim=2), v.repeat_interleave(shared, dim=2)

    def close(
        self, x: Tensor, q: Tensor, seen: KeyValue, mask: Tensor | None, mod: tuple[Tensor, ...], text: KeyValue
    ) -> Tensor:
        (words, meant), (k, v) = text, seen
        if mask is not None:
            mask = F.pad(mask, (words.shape[1], 0), value=True)
        return self.read(x, q, torch.cat((words, k), dim=1), torch.cat((meant, v), dim=1), mask)

    def read(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens after the layer, of which all keys and values are given."""
        x = x + self.self_attn.o_proj(attend(q, k, v, mask))
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(Expert):
    """All layers of a language model without its embedding and its head.

    A language model knows no noise levels. They are added to the tokens by rates that begin at zero, so that the
    layers begin as they were published.
    """

    axis = "LLM/VLM"

    def __init__(self, expert: ExpertSize, size: TrunkSize) -> None:
        """Raises :class:`ContractError` for published weights that are not there or of other sizes."""
        super().__init__()
        published = decoder_of(expert, size)
        self.layers = nn.ModuleList(DecoderBlock(layer, size) for layer in published.layers)
        self.norm = published.norm
        self.rotary = published.rotary_emb
        self.size = size
        fits = size.text_dim == expert.width
        self.text_embedding = nn.Identity() if fits else nn.Linear(size.text_dim, expert.width)
        self.time_embedding = nn.Sequential(
            nn.Linear(size.time_dim, expert.width), nn.SiLU(), nn.Linear(expert.width, expert.width)
        )
        self.time_rates = nn.Parameter(torch.zeros(size.layers))

    def block(self, layer: int) -> DecoderBlock:
        return cast(DecoderBlock, self.layers[layer])

    def time(self, sigma: Tensor) -> Time:
        vector = self.time_embedding(self.size.embed_level(sigma))
        return Time(vector, [(rate * vector[:, None],) for rate in self.time_rates])

    def text_cache(self, context: Tensor, before: Sequence[KeyValue] = ()) -> list[KeyValue]:
        """As a language model reads: each token sees those before it."""
        x = self.text_embedding(context)
        start, count = before[0][0].shape[1] if before else 0, x.shape[1]
        cos, sin = self.tables(x.new_empty(count, 1), start)
        seen = torch.ones(count, start + count, dtype=torch.bool, device=x.device).tril(start)
        still, cache = (x.new_zeros(1, 1, 1),), []
        for number in range(len(self.layers)):
            q, k, v = self.block(number).open(x, still, cos, sin)
            if before:
                k, v = (torch.cat((earlier, own), dim=1) for earlier, own in zip(before[number], (k, v), strict=True))
            cache.append((k, v))
            x = self.block(number).read(x, q, k, v, seen)
        return cache

    def tables(self, positions: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """By the number in the sequence alone, as a language model counts."""
        numbers = torch.arange(start, start + len(positions), device=self.rotary.inv_freq.device)
        angles = numbers[:, None, None].float() * self.rotary.inv_freq.float()
        return angles.cos() * self.rotary.attention_scaling, angles.sin() * self.rotary.attention_scaling

    def finish(self, tokens: Tensor) -> Tensor:
        return self.norm(tokens)
