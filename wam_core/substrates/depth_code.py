"""How depth and what is seen with it are written as features."""

import numpy as np

from wam_core.contract import FloatArray

#: Depth at which the code of a depth is zero, m.
MIDDLE = 0.5
#: A code below this means that nothing is there: further than anything that an arm has to do with (9.5 m).
NOTHING = -0.9
#: Codes and colours are stretched by this, so that they have about the variance of noise.
CONTRAST = 2.0

#: What each pixel of a kind holds, and how many numbers each is.
LAYERS = {"colour": 3, "depth": 1, "normal": 3}


def depth_code(depth: FloatArray) -> FloatArray:
    """Depth in m to -1..1: near is 1, :data:`MIDDLE` 0 and nothing (inf) -1; as fine as stereo at every distance."""
    return 2.0 * MIDDLE / (depth + MIDDLE) - 1.0


def depth_of(code: FloatArray) -> FloatArray:
    """Inverse of :func:`depth_code`; codes that no depth has are nearest or nothing."""
    inside = np.clip(code, NOTHING, 1.0)
    return np.where(code <= NOTHING, np.inf, MIDDLE * (1.0 - inside) / (1.0 + inside))
