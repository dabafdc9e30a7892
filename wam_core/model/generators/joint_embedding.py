"""Joint embedding: what a frozen encoder will see of the future, said in one shot (FLARE, Zheng et al. 2025)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from wam_core.model.generators.generator import Generator


class JointEmbedding(Generator):
    """Tokens that hold nothing, at full noise, learn to point where the encoder's features point.

    Only the direction of a token counts, so predictions are brought to a mean square of one.
    """

    axis = "Joint-embedding"

    def noise_level(self, u: Tensor, shift: float) -> Tensor:
        return torch.ones_like(u)

    def show(self, x: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return torch.zeros_like(x), x, torch.ones_like(sigma)

    def levels(self, steps: int, shift: float) -> Tensor:
        return torch.tensor([1.0, 0.0])

    def start(self, noise: Tensor) -> Tensor:
        return torch.zeros_like(noise)

    def advance(self, x: Tensor, predicted: Tensor, now: float, following: float) -> Tensor:
        return F.normalize(predicted, dim=-1) * predicted.shape[-1] ** 0.5

    def error(self, predicted: Tensor, target: Tensor) -> Tensor:
        return 1.0 - F.cosine_similarity(predicted.float(), target.float(), dim=-1).mean(dim=1)
