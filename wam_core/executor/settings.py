"""Everything about the executor that a robot owner may tune; limits live in the robot contract, not here."""

from dataclasses import dataclass, field

from wam_core.errors import ContractError
from wam_core.robot.ik import IkSettings


@dataclass(frozen=True)
class ExecutorSettings:
    """Tuning of the pipeline.

    Attributes:
        seam: name in :data:`wam_core.executor.seams.SEAMS`.
        fade_s: time over which a new chunk takes over, s.
        ensemble_decay: each younger chunk of a temporal ensemble counts ``exp(-ensemble_decay)`` times the one before.
        smoothing_s: time constant of joint rates after retargeting, s; a kink in a chunk becomes bounded jerk.
        velocity_share, acceleration_share, jerk_share: part of the robot's limits that planned motion uses, 0..1. The
            jerk share keeps the torque that a change of acceleration needs below the torque rate limit.
        future_s: how far a chunk's observation stamp may lie ahead of the tick clock, s.
        lead_s: how far a chunk's first step may lie ahead of the tick clock, s.
        range_margin: how far a chunk's values may lie outside workspace or joint limits (m or rad) before the chunk is
            refused; inside the margin they are clipped.
        clearance: least distance of the arm to itself, m.
        tracking_hold_rad, tracking_stop_rad: error between reference and measurement at which the reference stops
            advancing, and at which the stop latches.
        tracking_latch_s: time after which an error beyond ``tracking_hold_rad`` latches as well, s: a reference that
            no longer advances never gets to ``tracking_stop_rad``, and would press on for ever.
        state_latch_s: time without a usable joint state after which the stop latches, s.
        others: names of robot files whose chunks are taken, too, and brought to this arm through their kinematics.
        feedback_delay_s: longest time from a measurement until the torque that answers it acts, s; the feedback is
            stable up to about that delay. With 0.002 s the arm diverges at a delay of two ticks.
    """

    seam: str = "cross_fade"
    fade_s: float = 0.1
    ensemble_decay: float = 0.01
    smoothing_s: float = 0.02
    velocity_share: float = 0.95
    acceleration_share: float = 0.9
    jerk_share: float = 0.08
    future_s: float = 0.05
    lead_s: float = 2.0
    range_margin: float = 0.1
    clearance: float = 0.02
    tracking_hold_rad: float = 0.12
    tracking_stop_rad: float = 0.25
    tracking_latch_s: float = 0.3
    state_latch_s: float = 0.5
    feedback_delay_s: float = 0.01
    others: tuple[str, ...] = ()
    ik: IkSettings = field(default_factory=IkSettings)

    def __post_init__(self) -> None:
        for name in ("velocity_share", "acceleration_share", "jerk_share"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ContractError(f"executor.{name}", getattr(self, name), "a number in (0, 1]")
        times = ("fade_s", "smoothing_s", "future_s", "lead_s", "tracking_latch_s", "state_latch_s")
        for name in (*times, "ensemble_decay", "range_margin", "clearance"):
            if not getattr(self, name) >= 0.0:
                raise ContractError(f"executor.{name}", getattr(self, name), "a number >= 0")
        if not 0.0 < self.tracking_hold_rad <= self.tracking_stop_rad:
            raise ContractError("executor.tracking_hold_rad", self.tracking_hold_rad, "in (0, tracking_stop_rad]")
