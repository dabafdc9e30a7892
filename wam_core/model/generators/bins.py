"""Features as choices among bins, for generators of discrete tokens."""

import torch
from torch import Tensor
from torch.nn import functional as F

#: Bins of equal probability under a standard normal, which normalised features are close to.
BINS = 64
#: The middle of each bin, by probability.
_MIDDLES = torch.special.ndtri((torch.arange(BINS, dtype=torch.float64) + 0.5) / BINS)
#: Every feature of a token that is not known yet; no bin has this value.
HIDDEN = 6.0
#: Logit of a bin that is certain, where all others have 0.
SURE = 30.0
#: Target of what is not asked for.
IGNORED = -1


def to_bins(x: Tensor) -> Tensor:
    """Bin numbers of values."""
    return (torch.special.ndtr(x.double()) * BINS).long().clamp(0, BINS - 1)


def from_bins(bins: Tensor) -> Tensor:
    """The middle of each bin, by probability; looked up, because exported graphs have no normal distribution."""
    return _MIDDLES.to(bins.device)[bins]


def choices(predicted: Tensor) -> tuple[Tensor, Tensor]:
    """Of a head's ``[B, N, F * BINS]``: log probability and number of the likeliest bins, ``[B, N, F]`` each."""
    likeliest = predicted.float().unflatten(-1, (-1, BINS)).log_softmax(dim=-1).max(dim=-1)
    return likeliest.values, likeliest.indices


def certain(x: Tensor) -> Tensor:
    """``[B, N, F * BINS]``: what a head says that is sure of the bins of ``x`` ``[B, N, F]``."""
    return (SURE * F.one_hot(to_bins(x), BINS)).flatten(2)


def cross_entropy(predicted: Tensor, target: Tensor) -> Tensor:
    """``[B]`` mean over the features that are asked for."""
    logits = predicted.float().unflatten(-1, (-1, BINS))
    each = F.cross_entropy(logits.flatten(0, 2), target.flatten(), ignore_index=IGNORED, reduction="none")
    return each.unflatten(0, (len(target), -1)).sum(dim=1) / (target != IGNORED).flatten(1).sum(dim=1)
