"""The conventions that published weights were trained with, as far as they differ from ours."""

from dataclasses import dataclass

from wam_core.data.statistics import METHODS
from wam_core.errors import ContractError, look_up


@dataclass(frozen=True)
class TextSize:
    """A UMT5 text encoder; it is as wide as the preset's context tokens.

    Attributes:
        ffn: width of its gated MLPs.
    """

    layers: int
    heads: int
    ffn: int


@dataclass(frozen=True)
class Conventions:
    """Part ``published`` of a preset.

    Attributes:
        prompt: the text around an instruction, ``{task}``.
        normalisation: of actions and state, a key of ``METHODS``.
        stepwise: whether each step of a chunk has statistics of its own.
        text: size of the encoder whose context tokens they take; None where nobody needs to know.
    """

    prompt: str
    normalisation: str
    stepwise: bool = False
    text: TextSize | None = None

    def __post_init__(self) -> None:
        look_up(METHODS, self.normalisation, "published.normalisation")
        if "{task}" not in self.prompt:
            raise ContractError("published.prompt", self.prompt, "a text with {task} in it")
