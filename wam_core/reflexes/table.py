"""The reflexes that a preset can name."""

from collections.abc import Mapping

from wam_core.reflexes.reflex import ReflexSpec
from wam_core.reflexes.touch_admittance import TouchAdmittance

REFLEXES: Mapping[str, type[ReflexSpec]] = {"touch_admittance": TouchAdmittance}
