"""The small network that draws one continuous token, given what the trunk says of it (Li et al. 2024, MAR)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from wam_core.model.generators.flow_matching import CleanFlowMatching

#: Steps in which a token is drawn, and noise draws for each token in training: the trunk's pass costs far more.
STEPS = 8
DRAWS = 4
BLOCKS = 2
#: Channels of the embedded noise level.
TIME = 64


class TokenDiffuser(nn.Module):
    """Residual perceptrons that are modulated by condition and noise level; tokens know nothing of each other here."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.path = CleanFlowMatching()
        self.enter = nn.Linear(features, width)
        self.condition = nn.Linear(width, width)
        self.level = nn.Sequential(nn.Linear(TIME, width), nn.SiLU(), nn.Linear(width, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6, elementwise_affine=False) for _ in range(BLOCKS))
        self.modulations = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(BLOCKS))
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(BLOCKS)
        )
        self.leave = nn.Linear(width, features)

    def forward(self, x: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        """Clean features ``[B, N, F]`` of noisy ones at levels ``[B]``, by the trunk's condition ``[B, N, width]``."""
        rates = 10000.0 ** (-torch.arange(TIME // 2, device=x.device) / (TIME // 2))
        angles = 1000.0 * sigma.float()[:, None] * rates
        level = self.level(torch.cat((angles.cos(), angles.sin()), dim=1))
        said = nn.functional.silu(self.condition(condition) + level[:, None])
        h = self.enter(x)
        for norm, modulation, layer in zip(self.norms, self.modulations, self.layers, strict=True):
            shift, scale, gate = modulation(said).chunk(3, dim=-1)
            h = h + gate * layer(norm(h) * (1 + scale) + shift)
        return self.leave(h)

    def draw(self, condition: Tensor, noise: Tensor) -> Tensor:
        """Features ``[B, N, F]`` of every token, from noise of that shape."""
        x = noise
        for now, following in pairwise(self.path.levels(STEPS, 1.0).tolist()):
            predicted = self(x, torch.full((len(x),), now, device=x.device), condition)
            x = self.path.advance(x, predicted, now, following)
        return x

    def error(self, condition: Tensor, target: Tensor, rng: torch.Generator) -> Tensor:
        """``[B]`` mean over the tokens that are asked for; 0 where none is."""
        asked = ~target.isnan().any(dim=-1)
        clean, condition = (x.repeat(DRAWS, 1, 1) for x in (target.nan_to_num(), condition))
        noise = torch.randn(clean.shape, generator=rng, device=clean.device)
        sigma = torch.rand(len(clean), generator=rng, device=clean.device)
        shown, wanted, weight = self.path.show(clean, noise, sigma)
        each = (self(shown, sigma, condition) - wanted).square().mean(dim=-1) * weight[:, None]
        error = each.unflatten(0, (DRAWS, -1)).mean(dim=0)
        return (error * asked).sum(dim=1) / asked.sum(dim=1).clamp(min=1)
