"""The kinds of expert that a preset can name."""

from collections.abc import Mapping

from wam_core.model.experts.decoder import DECODERS, Decoder
from wam_core.model.experts.wan import WanExpert
from wam_core.model.trunk import Expert

EXPERTS: Mapping[str, type[Expert]] = {"wan": WanExpert, **dict.fromkeys(DECODERS, Decoder)}
