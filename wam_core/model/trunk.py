"""The shared-attention trunk: a mixture of transformers built from Wan 2.x blocks.

Each expert has its own width and weights; all experts' tokens meet in one attention per layer, where a group's
queries see exactly the groups its wiring names. Parameter names follow Wan's native layout
(``blocks.N.self_attn.q`` ...), so that published weights are a matter of mapping prefixes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wam_core.model.rope import apply_rope

KeyValue = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class TrunkSize:
    """Depth and the attention geometry that all experts share; ``text_dim`` is the width of the context tokens.

    ``bf16_time`` rounds time steps (0..1000) to bfloat16 before they are embedded, as Fast-WAM's code does.
    """

    layers: int
    heads: int
    head_dim: int
    text_dim: int
    time_dim: int
    bf16_time: bool = False

    @property
    def attention_dim(self) -> int:
        return self.heads * self.head_dim


@dataclass(frozen=True)
class ExpertSize:
    """Width of the residual stream and of the MLP of one expert."""

    width: int
    ffn: int


@dataclass(frozen=True)
class Time:
    """A noise level as an expert takes it.

    Attributes:
        vector: ``[B, width]``, for heads.
        layers: of each block the shift, one plus the scale, and the gate of its attention, then of its MLP, ``[B, 1,
            width]`` each.
    """

    vector: Tensor
    layers: Sequence[tuple[Tensor, ...]]


@dataclass(frozen=True)
class Stream:
    """One group on its way through the trunk.

    Attributes:
        expert: name of the expert that carries it.
        sees: names of the groups it attends to.
        tokens: ``[B, N, width]``.
        time: its noise level, as its expert takes it.
        cos, sin: rotary tables ``[N, 1, head_dim / 2]``.
        own: ``[N, N]`` which of its own tokens each one sees; None: all.
    """

    expert: str
    sees: tuple[str, ...]
    tokens: Tensor
    time: Time
    cos: Tensor
    sin: Tensor
    own: Tensor | None = None


class Attention(nn.Module):
    """Projections of one attention: ``width -> heads * head_dim -> width`` with RMS-normed queries and keys."""

    def __init__(self, width: int, size: TrunkSize) -> None:
        super().__init__()
        inner = size.attention_dim
        self.heads = size.heads
        self.q = nn.Linear(width, inner)
        self.k = nn.Linear(width, inner)
        self.v = nn.Linear(width, inner)
        self.o = nn.Linear(inner, width)
        self.norm_q = nn.RMSNorm(inner, eps=1e-6)
        self.norm_k = nn.RMSNorm(inner, eps=1e-6)

    def queries(self, x: Tensor) -> Tensor:
        return self.norm_q(self.q(x)).unflatten(-1, (self.heads, -1))

    def keys_values(self, x: Tensor) -> KeyValue:
        split = (self.heads, -1)
        return self.norm_k(self.k(x)).unflatten(-1, split), self.v(x).unflatten(-1, split)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None = None) -> Tensor:
        """``[B, N, heads, d]`` queries over those of ``[B, M, heads, d]`` keys that ``seen [N, M]`` names, to ``[B, N,
        width]``."""
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        if q.is_cpu:
            # The CPU's bf16 attention has a backward pass ten times slower than its fp32 one.
            with torch.autocast("cpu", enabled=False):
                out = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=seen)
        else:
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.o(out.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """One Wan 2.x block of one expert: modulated self-attention, text cross-attention, modulated MLP."""

    def __init__(self, expert: ExpertSize, size: TrunkSize) -> None:
        super().__init__()
        width = expert.width
        self.norm1 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.self_attn = Attention(width, size)
        self.norm3 = nn.LayerNorm(width, eps=1e-6)
        self.cross_attn = Attention(width, size)
        self.norm2 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.ffn = nn.Sequential(nn.Linear(width, expert.ffn), nn.GELU("tanh"), nn.Linear(expert.ffn, width))
        self.modulation = nn.Parameter(torch.randn(1, 6, width) / width**0.5)

    def modulate(self, time: Tensor) -> tuple[Tensor, ...]:
        """Of a time modulation ``[B, 6, width]``: this block's entry in :attr:`Time.layers`."""
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = (self.modulation + time).unsqueeze(2).unbind(1)
        return shift, 1 + scale, gate, mlp_shift, 1 + mlp_scale, mlp_gate

    def open(self, x: Tensor, mod: tuple[Tensor, ...], cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of tokens ``x``."""
        x = self.norm1(x) * mod[1] + mod[0]
        k, v = self.self_attn.keys_values(x)
        return apply_rope(self.self_attn.queries(x), cos, sin), apply_rope(k, cos, sin), v

    def close(self, x: Tensor, attended: Tensor, mod: tuple[Tensor, ...], text: KeyValue) -> Tensor:
        """Residual update after the joint attention; ``text`` are this block's context keys and values."""
        x = x + attended * mod[2]
        x = x + self.cross_attn.attend(self.cross_attn.queries(self.norm3(x)), *text)
        return x + self.ffn(self.norm2(x) * mod[4] + mod[3]) * mod[5]


class Expert(nn.Module):
    """Time embedding, text projection and blocks of one expert."""

    def __init__(self, expert: ExpertSize, size: TrunkSize) -> None:
        super().__init__()
        width = expert.width
        self.time_dim = size.time_dim
        self.bf16_time = size.bf16_time
        self.text_embedding = nn.Sequential(nn.Linear(size.text_dim, width), nn.GELU("tanh"), nn.Linear(width, width))
        self.time_embedding = nn.Sequential(nn.Linear(size.time_dim, width), nn.SiLU(), nn.Linear(width, width))
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.blocks = nn.ModuleList(Block(expert, size) for _ in range(size.layers))

    def block(self, layer: int) -> Block:
        return cast(Block, self.blocks[layer])

    def embed_time(self, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Noise levels ``[B]`` in 0..1 to the time vector ``[B, width]`` and its modulation ``[B, 6, width]``."""
        half = self.time_dim // 2
        rates = 10000.0 ** (-torch.arange(half, device=sigma.device, dtype=torch.float32) / half)
        steps = 1000.0 * sigma.float()
        if self.bf16_time:
            steps = steps.bfloat16().float()
        angles = steps[:, None] * rates
        time = self.time_embedding(torch.cat((angles.cos(), angles.sin()), dim=1))
        return time, self.time_projection(time).unflatten(1, (6, -1))

    def time(self, sigma: Tensor) -> Time:
        """Noise levels ``[B]``, embedded and brought to every block."""
        vector, modulation = self.embed_time(sigma)
        return Time(vector, [cast(Block, block).modulate(modulation) for block in self.blocks])

    def text_cache(self, context: Tensor) -> list[KeyValue]:
        """Cross-attention keys and values of every layer for ``context`` ``[B, L, text_dim]``."""
        embedded = self.text_embedding(context)
        return [cast(Block, block).cross_attn.keys_values(embedded) for block in self.blocks]


class Trunk(nn.Module):
    """All experts, layer by layer."""

    def __init__(self, experts: Mapping[str, ExpertSize], size: TrunkSize) -> None:
        super().__init__()
        self.size = size
        self.mixtures = nn.ModuleDict({name: Expert(e, size) for name, e in experts.items()})

    def expert(self, name: str) -> Expert:
        return cast(Expert, self.mixtures[name])

    def forward(
        self,
        streams: Mapping[str, Stream],
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
    ) -> tuple[dict[str, Tensor], dict[str, list[KeyValue]]]:
        """Carry ``streams`` through all layers.

        Args:
            text: expert name -> keys and values per layer (:meth:`Expert.text_cache`).
            cache: group name -> keys and values per layer of groups that are seen but not in ``streams``.

        Returns:
            Tokens ``[B, N, width]`` and the keys and values per layer, by group name.
        """
        tokens = {name: s.tokens for name, s in streams.items()}
        produced: dict[str, list[KeyValue]] = {name: [] for name in streams}
        for layer in range(self.size.layers):
            opened = {}
            for name, s in streams.items():
                block = self.expert(s.expert).block(layer)
                mod = s.time.layers[layer]
                q, k, v = block.open(tokens[name], mod, s.cos, s.sin)
                produced[name].append((k, v))
                opened[name] = (block, q, mod)
            for name, (block, q, mod) in opened.items():
                stream = streams[name]
                seen = [produced[g][layer] if g in produced else cache[g][layer] for g in stream.sees]
                k, v = (torch.cat(parts, dim=1) for parts in zip(*seen, strict=True))
                attended = block.self_attn.attend(q, k, v, _mask(name, stream, seen))
                tokens[name] = block.close(tokens[name], attended, mod, text[stream.expert][layer])
        return tokens, produced


def _mask(name: str, stream: Stream, seen: Sequence[KeyValue]) -> Tensor | None:
    """Which keys each token sees: all of other groups, and of its own those of ``stream.own``."""
    if stream.own is None:
        return None
    count = len(stream.own)
    parts = [
        stream.own if group == name else stream.own.new_ones(count, k.shape[1])
        for group, (k, _) in zip(stream.sees, seen, strict=True)
    ]
    return torch.cat(parts, dim=1)
