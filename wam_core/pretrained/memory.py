"""How much memory a published preset takes on a card, computed from its shapes; nothing is loaded.

One chunk with batch 1: the weights, the keys and values that stay for all denoising steps, and the largest moment of
the pass over them. Allocator overhead and the library's own workspace (about 1 GB of a CUDA context) come on top.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from wam_core.model.runtimes.int8 import is_held
from wam_core.model.wam import ModelSpec
from wam_core.pretrained.importer import skeleton

#: Cards by memory in GiB, as they are sold.
CARDS = (16, 24, 48, 80)
#: Parameters of the components of Wan 2.2 that the model itself does not hold.
VAE_PARAMETERS = 704_688_668
TEXT_PARAMETERS = 5_680_910_336
#: Kept free for the CUDA context, the allocator and the VAE's activations.
RESERVE = 2 * 2**30
HALF = 2


@dataclass(frozen=True)
class Memory:
    """Bytes by part; ``text`` is on the card only while a new instruction is embedded, if it is put there at all."""

    weights: int
    cache: int
    activations: int
    vae: int
    text: int

    def peak(self, text_on_card: bool) -> int:
        """Bytes at the worst moment, reserve included."""
        return self.weights + self.cache + self.activations + self.vae + RESERVE + (self.text if text_on_card else 0)


def memory_of(spec: ModelSpec, outputs: tuple[str, ...], bytes_each: int = HALF, int8: bool = False) -> Memory:
    """Memory of generating ``outputs`` with weights of ``bytes_each`` (2 for bfloat16).

    Args:
        int8: as the runtime of that name holds them: a byte each, and a scale of ``bytes_each`` for each row.
    """
    model = skeleton(spec)
    weights = sum(p.numel() for p in model.parameters()) * bytes_each
    held = [m.weight for n, m in model.named_modules() if int8 and isinstance(m, nn.Linear) and is_held(m, n)]
    weights -= sum(w.numel() * (bytes_each - 1) - len(w) * bytes_each for w in held)
    names = model.wiring.needed(outputs)
    clean = [n for n in names if model.wiring.groups[n].source != "generated"]
    tokens = {n: spec.shapes[model.wiring.groups[n].substrate].tokens(model.wiring.groups[n].span) for n in names}
    experts = {model.wiring.groups[n].expert for n in names}
    context = spec.text_length + 1
    per_token = 2 * spec.trunk.layers * spec.trunk.attention_dim * HALF
    cache = (sum(tokens[n] for n in clean) + context * len(experts)) * per_token
    return Memory(
        weights=weights,
        cache=cache,
        activations=max(_moment(spec, tokens, names, model.wiring.groups[n].expert) for n in names),
        vae=VAE_PARAMETERS * HALF,
        text=TEXT_PARAMETERS * HALF,
    )


def _moment(spec: ModelSpec, tokens: Mapping[str, int], names: tuple[str, ...], expert: str) -> int:
    """The widest point of a block: the MLP's hidden layer beside queries, keys, values and the residual stream."""
    size = spec.experts[expert]
    wide = size.ffn + 4 * spec.trunk.attention_dim + 8 * size.width
    return sum(tokens[n] for n in names) * wide * 2 * HALF


def fits(memory: Memory, card: int) -> str:
    """What a card of so many GiB can do: ``with text``, ``text on the CPU`` or ``no``."""
    if memory.peak(text_on_card=True) <= card * 2**30:
        return "with text"
    return "text on the CPU" if memory.peak(text_on_card=False) <= card * 2**30 else "no"
