"""How predicted groups are produced: what the trunk is shown, what it is asked for, and how steps advance."""

from abc import ABC, abstractmethod

from torch import Tensor


class Generator(ABC):
    """One way of producing a group's features ``[B, N, F]``.

    Attributes:
        outputs: numbers that the head gives per feature.
        drawn: whether the head says, in the expert's width, how a :class:`TokenDiffuser` is to draw each token, instead
            of giving numbers per feature; the error is that network's, too.
        axis: its value on the survey's backbone axis.
        ordered: whether it shows each token what comes before it, clean, so that the group must have an order.
    """

    outputs = 1
    axis = "Diffusion"
    ordered = False
    drawn = False

    @abstractmethod
    def noise_level(self, u: Tensor, shift: float) -> Tensor:
        """Training noise level ``[B]`` for uniform ``u`` ``[B]``."""

    @abstractmethod
    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Input and target (both ``[B, N, F]``) and loss weight ``[B]`` of a training step."""

    @abstractmethod
    def levels(self, steps: int, shift: float) -> Tensor:
        """Noise levels of sampling, one more than the steps really needed."""

    @abstractmethod
    def start(self, noise: Tensor) -> Tensor:
        """First input of sampling."""

    @abstractmethod
    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        """Next input; after the last step the generated features."""

    def aim(self, x: Tensor, clean: Tensor, now: float) -> Tensor:
        """What the head says at input ``x`` when it knows the features to be ``clean``: by default these themselves."""
        return clean

    def error(self, predicted: Tensor, target: Tensor) -> Tensor:
        """``[B]`` how far the head's ``[B, N, F * outputs]`` is from the target: mean squares by default."""
        return ((predicted - target) ** 2).mean(dim=(1, 2))
