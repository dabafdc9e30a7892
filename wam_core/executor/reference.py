"""Where the arm is told to be, and the stop from there that was verified: the two are never apart."""

from math import ceil

from wam_core.executor.shaping import Motion, StopPlan


class Reference:
    """Moves on tick by tick, along what was asked for or along the stop.

    Attributes:
        motion: the reference after the last tick.
    """

    def __init__(self, motion: Motion, stop: StopPlan) -> None:
        """``stop`` begins at ``motion``."""
        self.motion = motion
        self._stop, self._stop_s = stop, 0.0
        self._given: tuple[StopPlan, float, int] | None = None

    def brake(self, dt: float) -> Motion:
        """The motion ``dt`` s from now on the verified stop."""
        return self._stop.at(self._stop_s + dt)

    def advance(self, motion: Motion, stop: StopPlan) -> None:
        """Go on to ``motion``, from which ``stop`` was verified."""
        self.motion = motion
        self._stop, self._stop_s = stop, 0.0

    def stop(self, brake: Motion, dt: float) -> None:
        """Go on to ``brake``, which is ``dt`` s further on the verified stop."""
        self.motion = brake
        self._stop_s += dt

    def hand_on(self, step_s: float, stamp_ns: int) -> list[tuple[int, Motion]]:
        """When each is due (ns), and the motions on the verified stop, every ``step_s`` s until rest, at least one.

        Whoever gets them is on them when ticks are missed: see :meth:`catch_up`.

        Args:
            stamp_ns: when the last tick was.
        """
        self._given = self._stop, self._stop_s, stamp_ns
        count = max(1, ceil((self._stop.duration_s - self._stop_s) / step_s))
        ahead = [k * step_s for k in range(1, count + 1)]
        return [(stamp_ns + round(s * 1e9), self._stop.at(self._stop_s + s)) for s in ahead]

    def catch_up(self, now_ns: int, dt: float) -> None:
        """Ticks were missed: an arm that was handed a stop is on it, ``dt`` s before what is due at ``now_ns``."""
        if self._given is not None:
            self._stop, given_s, given_ns = self._given
            self._stop_s = given_s + (now_ns - given_ns) * 1e-9 - dt
            self.motion = self._stop.at(self._stop_s)
