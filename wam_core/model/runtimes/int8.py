"""Passes by PyTorch with the blocks' matrices held in eight bits: half the memory of bfloat16, a quarter of float32.

Weights alone: each row of a matrix has a scale of its own, so that its largest weight is 127. Activations, norms,
modulations and all that is outside the blocks stay as they are. Eight bits of floating point (torchao's Float8) take as
much and were seven times as far off, so there is no such runtime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from wam_core.errors import ContractError
from wam_core.model.runtimes.eager import Eager

if TYPE_CHECKING:
    from wam_core.model.wam import WorldActionModel


def is_held(module: nn.Module, name: str) -> bool:
    """Whether a part of a model, by its dotted name, is one of the matrices that eight bits are enough for."""
    return isinstance(module, nn.Linear) and ".blocks." in name


class Int8(Eager):
    """The model is changed for good: what it held before is given back as soon as each matrix is done."""

    package = "torchao"

    def __init__(self, model: WorldActionModel) -> None:
        """Raises :class:`ContractError` when torchao is not installed."""
        super().__init__(model)
        try:
            from torchao.quantization import Int8WeightOnlyConfig, quantize_
        except ImportError:
            expected = "torchao: pip install -r requirements-int8.txt"
            raise ContractError("runtime", "torchao is not installed", expected) from None
        quantize_(model, Int8WeightOnlyConfig(), filter_fn=is_held)
