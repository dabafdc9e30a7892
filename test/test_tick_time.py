"""The bench of tick times measures real ticks."""

import os

from wam_core.evaluation.tick_time import measure
from wam_core.robot.robot_file import load_robot


def test_ticks_are_timed_and_the_machine_is_left_as_it_was() -> None:
    """A bench that timed an arm at rest, or left the process on one core, would say less than nothing."""
    cores = os.sched_getaffinity(0)
    found = measure(load_robot("panda_cell"), ["reach"], 0, "")
    assert found.ticks > 500 and found.period_ms == 2.0
    assert 0.02 < found.cpu.median <= found.cpu.p99 <= found.cpu.p999 <= found.cpu.most
    assert os.sched_getaffinity(0) == cores
