"""The triggers that a preset can name."""

from collections.abc import Mapping

from wam_core.triggers.forecast_verifier import ForecastVerifier
from wam_core.triggers.trigger import TriggerSpec

TRIGGERS: Mapping[str, type[TriggerSpec]] = {"forecast_verifier": ForecastVerifier}
