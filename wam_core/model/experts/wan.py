"""Wan 2.x blocks: the diffusion transformer of Fast-WAM, and the kind of expert that a preset has unless it says so.

Parameter names follow Wan's native layout (``blocks.N.self_attn.q`` ...), so that published weights are a matter of
mapping prefixes.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wam_core.model.rope import apply_rope, pair_tables, rope_angles
from wam_core.model.trunk import Block, Expert, ExpertSize, KeyValue, Time, TrunkSize, attend, followed

#: Of all norms.
EPSILON = 1e-6


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
        self.norm_q = nn.RMSNorm(inner, eps=EPSILON)
        self.norm_k = nn.RMSNorm(inner, eps=EPSILON)

    def queries(self, x: Tensor) -> Tensor:
        return self.norm_q(self.q(x)).unflatten(-1, (self.heads, -1))

    def keys_values(self, x: Tensor) -> KeyValue:
        split = (self.heads, -1)
        return self.norm_k(self.k(x)).unflatten(-1, split), self.v(x).unflatten(-1, split)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None = None) -> Tensor:
        """As :func:`trunk.attend`, to ``[B, N, width]``."""
        return self.o(attend(q, k, v, seen))


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Tokens ``[B, N, width]`` through a layer norm, times ``scale`` and plus ``shift``, ``[B or 1, 1, width]``."""
    if len(scale) == 1 and scale.dtype == x.dtype:
        # One noise level for all of them is what the norm takes as its weights, in one operation.
        return F.layer_norm(x, x.shape[-1:], scale.flatten(), shift.flatten(), EPSILON)
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=EPSILON), scale)


class WanBlock(Block):
    """Modulated self-attention, text cross-attention, modulated MLP.

    A time is taken as the shift, one plus the scale, and the gate of the attention, then of the MLP.
    """

    def __init__(self, expert: ExpertSize, size: TrunkSize) -> None:
        super().__init__()
        width = expert.width
        self.self_attn = Attention(width, size)
        self.norm3 = nn.LayerNorm(width, eps=EPSILON)
        self.cross_attn = Attention(width, size)
        self.ffn = nn.Sequential(nn.Linear(width, expert.ffn), nn.GELU("tanh"), nn.Linear(expert.ffn, width))
        self.modulation = nn.Parameter(torch.randn(1, 6, width) / width**0.5)

    def modulate(self, time: Tensor) -> tuple[Tensor, ...]:
        """Of a time modulation ``[B, 6, width]``: this block's entry in :attr:`Time.layers`."""
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = (self.modulation + time).unsqueeze(2).unbind(1)
        return shift, 1 + scale, gate, mlp_shift, 1 + mlp_scale, mlp_gate

    def open(self, x: Tensor, mod: tuple[Tensor, ...], cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = modulated(x, mod[0], mod[1])
        k, v = self.self_attn.keys_values(x)
        return apply_rope(self.self_attn.queries(x), cos, sin), apply_rope(k, cos, sin), v

    def close(
        self, x: Tensor, q: Tensor, seen: KeyValue, mask: Tensor | None, mod: tuple[Tensor, ...], text: KeyValue
    ) -> Tensor:
        x = torch.addcmul(x, self.self_attn.attend(q, *seen, mask), mod[2])
        x = x + self.cross_attn.attend(self.cross_attn.queries(self.norm3(x)), *text)
        return torch.addcmul(x, self.ffn(modulated(x, mod[3], mod[4])), mod[5])


class WanExpert(Expert):
    """Time embedding, text projection and blocks."""

    def __init__(self, expert: ExpertSize, size: TrunkSize) -> None:
        super().__init__()
        width = expert.width
        self.size = size
        self.text_embedding = nn.Sequential(nn.Linear(size.text_dim, width), nn.GELU("tanh"), nn.Linear(width, width))
        self.time_embedding = nn.Sequential(nn.Linear(size.time_dim, width), nn.SiLU(), nn.Linear(width, width))
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.blocks = nn.ModuleList(WanBlock(expert, size) for _ in range(size.layers))

    def block(self, layer: int) -> WanBlock:
        return cast(WanBlock, self.blocks[layer])

    def embed_time(self, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Noise levels ``[B]`` in 0..1 to the time vector ``[B, width]`` and its modulation ``[B, 6, width]``."""
        time = self.time_embedding(self.size.embed_level(sigma))
        return time, self.time_projection(time).unflatten(1, (6, -1))

    def time(self, sigma: Tensor) -> Time:
        vector, modulation = self.embed_time(sigma)
        return Time(vector, [cast(WanBlock, block).modulate(modulation) for block in self.blocks])

    def text_cache(self, context: Tensor, before: Sequence[KeyValue] = ()) -> list[KeyValue]:
        """For cross-attention: each token is read by itself."""
        embedded = self.text_embedding(context)
        own = [cast(WanBlock, block).cross_attn.keys_values(embedded) for block in self.blocks]
        return followed(before, own) if before else own

    def tables(self, positions: Tensor, start: int) -> tuple[Tensor, Tensor]:
        return pair_tables(rope_angles(positions, self.size.head_dim))

    def finish(self, tokens: Tensor) -> Tensor:
        return tokens
