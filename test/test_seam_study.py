"""The seam study finds the jerk where it is, and its episodes are those of the model."""

from dataclasses import replace

import numpy as np
import pytest
from executor_harness import ROBOT, TICK_NS, Rig, chunk, line

from wam_core.contract import JointCommand
from wam_core.evaluation.seam_study import SeamRun, seam_jerks, study
from wam_core.executor.settings import ExecutorSettings


def test_peaks_are_those_around_the_seams() -> None:
    """A peak taken elsewhere, or of a joint with another limit, would rank the modes wrongly."""
    still = np.zeros(8)
    commands = [JointCommand(k * TICK_NS, still, still, still, still) for k in range(100)]
    shoved = still.copy()
    shoved[1] = 0.5 * ROBOT.limits.jerk[1] * TICK_NS * 1e-9
    commands[50] = replace(commands[50], acceleration=shoved)
    jerks = seam_jerks(ROBOT, commands, [10 * TICK_NS, 45 * TICK_NS, 500 * TICK_NS], 9 * TICK_NS)
    np.testing.assert_allclose(jerks, [(0.0, 0.0), (0.5, np.sqrt(0.05))])  # there, and back in the next tick


def test_a_replaced_chunk_jerks_more_than_a_faded_one() -> None:
    """Two chunks that are 2 mm apart; were the peaks alike, the study would have nothing to compare."""
    rms = {}
    for seam in ("replace", "cross_fade", "temporal_ensemble"):
        rig = Rig(ExecutorSettings(seam=seam))
        rig.tick()
        rig.send(line((0.0, 0.005, 0.0)))
        rig.tick(250)
        other = line((0.0, 0.005, 0.0), horizon=12)
        other[:, 0] += 0.002
        seam_ns = rig.now_ns
        assert rig.executor.accept(
            chunk(other, seam_ns - 400_000_000, start_ns=seam_ns - 400_000_000), seam_ns
        ).accepted
        rig.tick(100)
        ((peak, rms[seam]),) = seam_jerks(ROBOT, rig.commands, [seam_ns], 150_000_000)
        assert peak <= rig.settings.jerk_share + 1e-9
    assert rms["cross_fade"] < 0.8 * rms["replace"] and rms["temporal_ensemble"] < 0.8 * rms["replace"]


@pytest.mark.slow
def test_an_episode_of_the_model_has_its_seams() -> None:
    """The whole study is `wam bench seams`; one episode shows that it drives the model it names, late as it is told."""
    plain = study(SeamRun("temporal_ensemble", "none", 300, "fast_wam", "panda_cell", "drawer", 0))
    continued = study(SeamRun("temporal_ensemble", "real_time_chunking", 300, "fast_wam", "panda_cell", "drawer", 0))
    assert plain.jerks != continued.jerks
    for result in (plain, continued):
        assert len(result.jerks) > 1
        assert all(0.0 < jerk.rms <= jerk.peak <= 1.0 for jerk in result.jerks)
