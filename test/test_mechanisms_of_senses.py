"""What distinguishes systems that feel and hear. Taken out of its preset, its test here fails."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_anatomy import rewired, sampled
from tiny import tiny_checkpoint, tiny_model, tiny_senses

from wam_core.anatomy import classify
from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, Observation
from wam_core.errors import ContractError
from wam_core.evaluation.rollout import run_episode
from wam_core.executor.executor import Executor
from wam_core.model.groups import Wiring
from wam_core.policy import Policy
from wam_core.preset import ACTION
from wam_core.presets import from_dict, load_preset
from wam_core.robot.robot_file import load_robot

ROBOT = load_robot("panda_cell")
STEP = ROBOT.step_ns
NOTHING = tiny_senses(ROBOT, [sense.name for sense in ROBOT.senses])


def constant(name: str, group: str, value: float) -> dict[str, torch.Tensor]:
    return {group: torch.full((1, *tiny_model(name).shape_of(group)), value)}


def test_omni_vta_forecasts_touch_and_sight_together_and_acts_on_both() -> None:
    """OmniVTA: one visuo-tactile forecast, denoised together, which the action is read off."""
    wiring = Wiring(load_preset("omni_vta").groups)
    assert any({"future", "touch"} <= set(stage) for stage in wiring.stages([ACTION]))
    assert wiring.groups["future"].schedule == wiring.groups["touch"].schedule
    assert {"future_copy", "touch_copy"} <= set(wiring.groups[ACTION].sees)
    for group, other in (("touch", "future"), ("future", "touch")):
        made = [sampled("omni_vta", (ACTION, other), given=constant("omni_vta", group, v)) for v in (-1.0, 1.0)]
        assert not torch.equal(made[0][ACTION], made[1][ACTION]) and not torch.equal(made[0][other], made[1][other])


def observation(step: int, senses: dict[str, np.ndarray]) -> Observation:
    images = {c: np.full((128, 128, 3), 100, np.uint8) for c in ("front", "wrist")}
    return Observation(step * STEP, images, np.zeros(7), "reach the red ball", senses=NOTHING | senses)


def test_omni_vta_corrects_the_rest_of_a_chunk_at_every_step_by_what_it_feels() -> None:
    """OmniVTA: between two chunks a reflex compares what was foreseen to be felt at each instant with what is."""
    preset = load_preset("omni_vta")
    place = classify(preset)
    assert place is not None and place.deployment == "Single-step" and preset.replan_steps > 1
    without = classify(replace(preset, reflex=None))
    assert without is not None and without.deployment == "Chunked"
    policy = Policy(tiny_checkpoint("omni_vta"), seed=0)
    chunk = policy.act(observation(0, {}))
    foreseen = next(f for f in policy.imagine() if f.substrate == "touch")
    assert foreseen.step_ns == STEP and len(foreseen.values) == policy.horizon

    def felt(step: int, more: float) -> Observation:
        now = np.asarray(foreseen.values[step - 1], np.float32).copy()
        now[0, 0] += more
        left, right = (np.ascontiguousarray(half) for half in np.split(now, 2, axis=1))
        return observation(step, {"left_fingertip": left, "right_fingertip": right})

    def shift(made: ActionChunk | None, step: int) -> np.ndarray:
        assert made is not None and made.stamp_ns == step * STEP and made.start_ns == chunk.start_ns + step * STEP
        assert np.array_equal(made.values[:, 3:], chunk.values[step:, 3:])
        moved = made.values[:, :3] - chunk.values[step:, :3]
        assert np.allclose(moved, moved[0])
        return moved[0] @ chunk.values[-1, :3] / np.linalg.norm(chunk.values[-1, :3])

    assert policy.corrected(felt(1, 0.0)) is None and policy.corrected(felt(2, 0.4)) is None
    assert shift(policy.corrected(felt(3, 10.5)), 3) == pytest.approx(-0.0015, rel=1e-3)
    assert policy.corrected(felt(4, 0.0)) is None, "what was corrected stays so while it feels as foreseen"
    assert shift(policy.corrected(felt(5, 10.5)), 5) == pytest.approx(-0.003, rel=1e-3)
    assert shift(policy.corrected(felt(6, -20.5)), 6) == pytest.approx(0.0, abs=1e-6)
    assert shift(policy.corrected(felt(7, 1000.0)), 7) == pytest.approx(-0.02)
    assert policy.act(observation(8, {})).sequence == 5, "each is a chunk of its own"


class Brief(Cell):
    """An episode is over soon after the block is met."""

    max_seconds = 4.5


class Blunt:
    """Leads the tool over the block that the task is about and then 15 mm into it; it foresees no touch."""

    cameras: Sequence[str] = ()
    senses: Sequence[str] = ("left_fingertip", "right_fingertip")
    replan_steps = 1000

    def __init__(self, cell: Cell) -> None:
        self.cell, self.felt = cell, []
        self.reflex = load_preset("omni_vta").reflex

    def act(self, observation: Observation) -> ActionChunk:
        begin, block = observation.proprioception, self.cell.object_pose()[:3]
        above, into = (np.append(block[:2], z) for z in (0.10, 0.045))
        ways = [np.linspace(begin[:3], above, 15), np.linspace(above, into, 8), np.tile(into, (40, 1))]
        path = np.concatenate(ways)
        values = np.concatenate([path, np.tile(begin[3:], (len(path), 1))], axis=1)
        values[:, 6] = 0.0
        robot, stamp, self.rest = self.cell.robot, observation.stamp_ns, values
        self.chunk = ActionChunk(stamp, stamp + STEP, STEP, robot.action.names, robot.action.space, values, 0, "blunt")
        return self.chunk

    def corrected(self, observation: Observation) -> ActionChunk | None:
        measured = np.stack([observation.senses[name] for name in self.senses]).astype(np.float32)
        self.felt.append(float(measured.sum()))
        passed = (observation.stamp_ns - self.chunk.stamp_ns) // STEP
        made = self.chunk.values[passed:]
        if self.reflex is None:
            return None
        here, nothing = observation.proprioception, np.zeros((16, 32), np.float32)
        self.rest = self.reflex.correct(ROBOT, nothing, measured, here, made, self.rest[len(self.rest) - len(made) :])
        start = self.chunk.start_ns + passed * STEP
        return replace(
            self.chunk, stamp_ns=observation.stamp_ns, start_ns=start, values=self.rest, sequence=int(passed)
        )


def test_omni_vta_meets_what_it_did_not_foresee_less_hard() -> None:
    """OmniVTA: its reflex yields to a contact that the forecast does not have. Without it the arm pressed on."""
    cell, hardest = Brief(ROBOT, "raycast"), []
    for reflex in (True, False):
        policy = Blunt(cell)
        policy.reflex = policy.reflex if reflex else None
        run_episode(cell, Executor(ROBOT), policy, "push", 3, corrected=policy.corrected)
        hardest.append(np.sort(policy.felt)[-10:].mean())
    assert hardest[1] > 10.0 and hardest[0] < 0.6 * hardest[1], hardest


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"reflex": {"kind": "reflexx"}}, "touch_admittance"),
        ({"felt": None}, "observed group of what has the channel touch"),
        ({"copy": None}, "a chunk that is made with a future of touch"),
    ],
)
def test_a_reflex_that_has_nothing_to_compare_is_refused(changes: dict[str, object], expected: str) -> None:
    """A reflex without a forecast, or without skin, did nothing and was thought to work."""
    raw = load_preset("omni_vta").to_dict()
    if "reflex" in changes:
        raw["reflex"] = changes["reflex"]
    if "felt" in changes:
        del raw["groups"]["felt"]
        for group in raw["groups"].values():
            group["sees"] = [name for name in group["sees"] if name != "felt"]
    if "copy" in changes:
        raw["groups"]["action"]["sees"] = ["first_frame", "felt", "action"]
    with pytest.raises(ContractError, match=expected):
        from_dict(raw, "omni_vta")


def test_audio_wm_acts_on_the_sound_to_come() -> None:
    """Audio-WM: future latents of the log-mel spectrogram, by flow matching; the action follows from them alone."""
    preset = load_preset("audio_wm")
    wiring = Wiring(preset.groups)
    assert preset.substrates["sound"].kind == "sound_latent" and [g.substrate for g in preset.futures()] == ["sound"]
    assert wiring.groups["future"].generator == "clean_flow_matching" and wiring.stages([ACTION])[-1] == (ACTION,)
    made = [sampled("audio_wm", (ACTION,), given=constant("audio_wm", "future", v))[ACTION] for v in (-1.0, 1.0)]
    assert not torch.equal(*made)
    deaf = rewired(preset, ACTION, sees=("first_frame", "heard", "action"))
    place = classify(deaf)
    assert place is not None and place.substrate == "Feature (encoder-only)"
