"""Fields over the image, cut into square patches: one patch, one token."""

from torch import Tensor


def patchify(fields: Tensor, patch: int) -> Tensor:
    """``[B, C, T, h, w]`` to features ``[B, T * h/p * w/p, C * p * p]``, time first."""
    b, c, t, h, w = fields.shape
    split = fields.reshape(b, c, t, h // patch, patch, w // patch, patch)
    return split.permute(0, 2, 3, 5, 1, 4, 6).reshape(b, t * (h // patch) * (w // patch), c * patch * patch)


def unpatchify(features: Tensor, patch: int, field: tuple[int, int, int]) -> Tensor:
    """Inverse of :func:`patchify`; ``field`` is C, h, w."""
    c, h, w = field
    split = features.reshape(len(features), -1, h // patch, w // patch, c, patch, patch)
    return split.permute(0, 4, 1, 2, 5, 3, 6).reshape(len(features), c, -1, h, w)
