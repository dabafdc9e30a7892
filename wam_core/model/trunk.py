"""The shared-attention trunk: a mixture of transformers.

Each expert has its own width, weights and kind of layers; all experts' tokens meet in one attention per layer, where a
group's queries see exactly the groups its wiring names.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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

    def embed_level(self, sigma: Tensor) -> Tensor:
        """Noise levels ``[B]`` in 0..1 as cosines and sines ``[B, time_dim]`` of the time steps 0..1000."""
        half = self.time_dim // 2
        rates = 10000.0 ** (-torch.arange(half, device=sigma.device, dtype=torch.float32) / half)
        steps = 1000.0 * sigma.float()
        if self.bf16_time:
            steps = steps.bfloat16().float()
        angles = steps[:, None] * rates
        return torch.cat((angles.cos(), angles.sin()), dim=1)


@dataclass(frozen=True)
class ExpertSize:
    """Width of the residual stream and of the MLP of one expert.

    Attributes:
        kind: whose layers it has, a key of ``experts.EXPERTS``.
        weights: folder or name of the published weights of a language model; empty: random ones.
    """

    width: int
    ffn: int
    kind: str = "wan"
    weights: str = ""


@dataclass(frozen=True)
class Time:
    """A noise level as an expert takes it.

    Attributes:
        vector: ``[B, width]``, for heads.
        layers: what each block makes of it, ``[B, 1, width]`` each.
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
        cos, sin: rotary tables of its tokens, as its expert has them (:meth:`Expert.tables`).
        own: ``[N, N]`` which of its own tokens each one sees; None: all.
        gate: name of the group that gates what it sees; empty: nothing does.
    """

    expert: str
    sees: tuple[str, ...]
    tokens: Tensor
    time: Time
    cos: Tensor
    sin: Tensor
    own: Tensor | None = None
    gate: str = ""


class Block(nn.Module, ABC):
    """One layer of one expert, before and after the attention that all experts share."""

    @abstractmethod
    def open(self, x: Tensor, mod: tuple[Tensor, ...], cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values ``[B, N, heads, head_dim]`` of tokens ``x``; ``mod`` is its :attr:`Time.layers`."""

    @abstractmethod
    def close(
        self, x: Tensor, q: Tensor, seen: KeyValue, mask: Tensor | None, mod: tuple[Tensor, ...], text: KeyValue
    ) -> Tensor:
        """Tokens after the layer.

        Args:
            seen: keys and values ``[B, M, heads, head_dim]`` of the groups that ``x`` sees.
            mask: ``[N, M]`` which of them each token sees; None: all.
            text: this block's keys and values of the context.
        """


class Expert(nn.Module, ABC):
    """Blocks of one width, and how they take noise levels, places and the context.

    Attributes:
        axis: its value on the survey's backbone axis; empty: that is up to the generators.
    """

    axis: ClassVar[str] = ""

    @abstractmethod
    def block(self, layer: int) -> Block:
        """A layer."""

    @abstractmethod
    def time(self, sigma: Tensor) -> Time:
        """Noise levels ``[B]`` in 0..1, embedded and brought to every block."""

    @abstractmethod
    def text_cache(self, context: Tensor, before: Sequence[KeyValue] = ()) -> list[KeyValue]:
        """Keys and values per layer of context tokens ``[B, L, text_dim]``, those of the tokens ``before`` them
        included."""

    @abstractmethod
    def tables(self, positions: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """Rotary tables ``[N, 1, C]``, cosines and sines, for as many channels as the blocks take them.

        Args:
            positions: ``[N, axes]`` in time and space.
            start: number of the first token in the sequence of all that the expert carries.
        """

    @abstractmethod
    def finish(self, tokens: Tensor) -> Tensor:
        """Tokens after the last layer as heads take them."""


class Gate(nn.Module):
    """How much of what a group sees each head lets through, 0..2, by the values of the group that gates it."""

    def __init__(self, size: TrunkSize) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(size.attention_dim, size.heads) for _ in range(size.layers))

    def forward(self, layer: int, values: Tensor) -> Tensor:
        """``[B, 1, heads, 1]`` for values ``[B, M, heads, head_dim]``."""
        said: Tensor = self.layers[layer](values.mean(dim=1).flatten(1))
        return 2.0 * torch.sigmoid(said)[:, None, :, None]


class Trunk(nn.Module):
    """All experts, layer by layer."""

    def __init__(self, experts: Mapping[str, Expert], size: TrunkSize, gated: Sequence[str] = ()) -> None:
        """``gated``: names of the groups of which another one gates what they see."""
        super().__init__()
        self.size = size
        self.mixtures = nn.ModuleDict(experts)
        self.gates = nn.ModuleDict({name: Gate(size) for name in gated})

    def expert(self, name: str) -> Expert:
        return cast(Expert, self.mixtures[name])

    def forward(
        self,
        streams: Mapping[str, Stream],
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
        read: Collection[str] | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, list[KeyValue]]]:
        """Carry ``streams`` through all layers.

        Args:
            text: expert name -> keys and values per layer (:meth:`Expert.text_cache`).
            cache: group name -> keys and values per layer of groups that are seen but not in ``streams``, and of the
                tokens before those that are.
            read: names of the streams whose tokens are wanted; None: all. The others end with the keys and values of
                the last layer.

        Returns:
            Tokens ``[B, N, width]`` of what is read, and keys and values per layer of all streams, by group name.
        """
        tokens = {name: s.tokens for name, s in streams.items()}
        produced: dict[str, list[KeyValue]] = {name: [] for name in streams}
        finished = streams if read is None else {n: s for n, s in streams.items() if n in read}
        for layer in range(self.size.layers):
            blocks = {name: self.expert(s.expert).block(layer) for name, s in streams.items()}
            known = {name: layers[layer] for name, layers in cache.items()}
            queries = {}
            for name, s in streams.items():
                queries[name], *own = blocks[name].open(tokens[name], s.time.layers[layer], s.cos, s.sin)
                produced[name].append((own[0], own[1]))
                known[name] = _joined([known[name], produced[name][-1]] if name in known else [produced[name][-1]])
            for name, s in (finished if layer + 1 == self.size.layers else streams).items():
                seen = [known[g] for g in s.sees]
                k, v = _joined(seen)
                if s.gate:
                    v = v * self.gates[name](layer, known[s.gate][1])
                mask, mod, words = _mask(name, s, seen), s.time.layers[layer], text[s.expert][layer]
                tokens[name] = blocks[name].close(tokens[name], queries[name], (k, v), mask, mod, words)
        return {name: self.expert(s.expert).finish(tokens[name]) for name, s in finished.items()}, produced


def followed(before: Sequence[KeyValue], own: Sequence[KeyValue]) -> list[KeyValue]:
    """Keys and values per layer of tokens, after those of the tokens before them."""
    return [_joined(parts) for parts in zip(before, own, strict=True)]


def attend(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None = None) -> Tensor:
    """``[B, N, heads, d]`` queries over those of ``[B, M, heads, d]`` keys that ``seen [N, M]`` names, to ``[B, N,
    heads * d]``."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if q.is_cpu and torch.is_autocast_enabled("cpu"):
        # The CPU's bf16 attention has a backward pass ten times slower than its fp32 one.
        with torch.autocast("cpu", enabled=False):
            out = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=seen)
    else:
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
    return out.transpose(1, 2).flatten(-2)


def _joined(parts: Sequence[KeyValue]) -> KeyValue:
    """Keys and values of some tokens after the others."""
    if len(parts) == 1:
        return parts[0]
    return torch.cat([k for k, _ in parts], dim=1), torch.cat([v for _, v in parts], dim=1)


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
