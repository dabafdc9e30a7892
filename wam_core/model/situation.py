"""One observation in a model: what is the same for everything that is generated from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from wam_core.model.runtimes.runtime import Prompt, Runtime
from wam_core.model.trunk import KeyValue

if TYPE_CHECKING:
    from wam_core.model.wam import Content


class Situation:
    """Keys and values of the context and of what is observed, each computed when it is first needed.

    Attributes:
        observed: (substrate, span) -> features ``[B, N, F]`` of observed groups.
        context: context tokens ``[B, L + 1, text_dim]``.
    """

    def __init__(
        self, runtime: Runtime, observed: Mapping[Content, Tensor], context: Tensor, prompt: Prompt | None = None
    ) -> None:
        """``prompt`` is what is known already of the first tokens of ``context``."""
        self.runtime, self.observed, self.context = runtime, observed, context
        self._prompt = prompt
        self._text: dict[str, Sequence[KeyValue]] = {}
        self._seen: dict[str, list[KeyValue]] = {}

    def text(self, names: Iterable[str]) -> Mapping[str, Sequence[KeyValue]]:
        """Cross-attention keys and values, per layer, of the experts that carry the groups ``names``."""
        groups = self.runtime.model.wiring.groups
        fresh = {groups[n].expert for n in names} - self._text.keys()
        if fresh:
            self._text = {**self._text, **{expert: self._attended(expert) for expert in fresh}}
        return self._text

    def _attended(self, name: str) -> Sequence[KeyValue]:
        if self._prompt is None:
            return self.runtime.read(name, self.context, ())
        return self.runtime.read(name, self.context[:, self._prompt.tokens.shape[1] :], self._prompt.text[name])

    def seen(self, names: Iterable[str]) -> Mapping[str, list[KeyValue]]:
        """Keys and values, per layer, of the groups among ``names`` that depend on the observation alone."""
        wiring = self.runtime.model.wiring
        wanted = wiring.given(names)
        fresh = {n: self.observed[wiring.groups[n].content] for n in wanted if n not in self._seen}
        if fresh:
            produced = self.runtime.carry(fresh, dict.fromkeys(fresh, 0.0), self.text(fresh), self._seen, fresh)[1]
            self._seen = {**self._seen, **produced}
        return {n: self._seen[n] for n in wanted}
