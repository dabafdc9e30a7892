"""A running wam_inference whose dial is turned, by hand and by a budget."""

from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from live_graph import Live, live_graph
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.curve import CURVE, Curve, Point, save_curve
from wam_core.dial import Dial
from wam_core.provenance import checkpoint_digest
from wam_msgs.msg import ModelInput


def with_a_curve(folder: Path) -> Path:
    """A checkpoint whose hundred steps are said to be better, and a hundred times as slow, as its one."""
    make_tiny_checkpoint(folder)
    points = tuple(
        Point(Dial(steps), success, (0.0, 1.0), {}, 1.0, 1.0, float(steps), (1.0, float(steps)))
        for steps, success in ((1, 0.5), (100, 0.9))
    )
    save_curve(folder / CURVE, Curve("fast_wam", checkpoint_digest(folder), points, (0.0, (0.0, 0.1)), {}))
    return folder


class Watched:
    """What wam_inference says of its chunks."""

    def __init__(self, live: Live) -> None:
        self.live, self.inputs, self.said = live, list[ModelInput](), DiagnosticStatus()
        live.client.listen(ModelInput, "/wam_inference/input", self.inputs.append)
        live.client.listen(DiagnosticArray, "/diagnostics", self._hear)

    def _hear(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "wam_inference":
                self.said = status

    def value(self, key: str) -> str:
        return next((pair.value for pair in self.said.values if pair.key == key), "")

    def until(self, steps: int, what: str) -> None:
        """A chunk of so many steps, and the diagnostics that say so."""
        self.inputs.clear()
        dial = f"denoising steps {steps or 'as the preset'},"
        made = lambda: self.inputs and self.inputs[-1].denoising_steps == steps  # noqa: E731
        self.live.client.wait_until(lambda: bool(made()) and dial in self.value("dial"), what, 60.0)

    def turn(self, **values: object) -> None:
        self.live.client.set_parameters("wam_inference", values)


@pytest.mark.slow
def test_a_node_turns_its_dial_and_holds_a_budget_while_it_runs(tmp_path: Path) -> None:
    """Prevents: parameters that count from the next configure on; a budget that is missed without a word."""
    folder = with_a_curve(tmp_path / "model")
    with live_graph("wam_cell", "wam_executor", "wam_inference") as live:
        seen = Watched(live)
        seen.turn(model=str(folder), imagine="never")
        live.activate("wam_executor", "wam_inference")
        live.wait_for_mode("holding")
        handle = live.client.start_task("reach the red ball", 120.0)
        seen.until(0, "a chunk as the preset says")
        seen.turn(denoising_steps=2)
        seen.until(2, "a chunk of two steps")
        with pytest.raises(Exception, match="denoises nothing beside its action"):
            seen.turn(cache_reuse=2)
        seen.turn(latency_budget_ms=60_000.0)
        seen.until(100, "the best point under a budget that allows it")
        slow_ms = float(seen.value("expected of 19 in 20 chunks (ms)"))
        assert seen.said.level == DiagnosticStatus.OK and seen.value("success on the curve") == "0.9"
        seen.turn(latency_budget_ms=0.5 * slow_ms)
        seen.until(1, "the cheaper point under half of what the best one takes")
        assert seen.said.level == DiagnosticStatus.OK, seen.said.message
        seen.turn(latency_budget_ms=0.001)
        warned = lambda: seen.said.level == DiagnosticStatus.WARN  # noqa: E731
        live.client.wait_until(warned, "a warning about a budget that nothing fits", 30.0)
        assert "no chunk fits latency_budget_ms 0.001 ms: the fastest point" in seen.said.message
        seen.turn(latency_budget_ms=0.0, denoising_steps=0)
        seen.until(0, "a chunk as the preset says again")
        handle.cancel_goal_async()
