"""Passes as PyTorch runs them, operation by operation: the reference of the others."""

from collections.abc import Collection, Mapping, Sequence

from torch import Tensor

from wam_core.model.runtimes.runtime import Runtime
from wam_core.model.trunk import KeyValue


class Eager(Runtime):
    """The model itself."""

    def carry(
        self,
        features: Mapping[str, Tensor],
        levels: Mapping[str, float],
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
        kept: Collection[str] = (),
    ) -> tuple[dict[str, Tensor], dict[str, list[KeyValue]]]:
        times = {n: self.time(n, levels[n]) for n in features}
        heads, produced = self.model.carry(features, times, text, cache)
        return heads, {n: produced[n] for n in kept}
