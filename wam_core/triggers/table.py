"""The triggers that a preset can name."""

from collections.abc import Mapping

from wam_core.triggers.critical_phase import CriticalPhase
from wam_core.triggers.event_boundary import EventBoundary
from wam_core.triggers.forecast_verifier import ForecastVerifier
from wam_core.triggers.out_of_distribution import OutOfDistribution
from wam_core.triggers.progress_gate import ProgressGate
from wam_core.triggers.trigger import TriggerSpec

TRIGGERS: Mapping[str, type[TriggerSpec]] = {
    "forecast_verifier": ForecastVerifier,
    "critical_phase": CriticalPhase,
    "out_of_distribution": OutOfDistribution,
    "progress_gate": ProgressGate,
    "event_boundary": EventBoundary,
}
