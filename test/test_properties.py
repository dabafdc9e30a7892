"""What every preset must hold, tried in numbers: causal, interactable, persistent, plausible."""

from dataclasses import replace

import numpy as np
import pytest
from test_anatomy import rewired
from tiny import INSTRUCTIONS, tiny_checkpoint, tiny_senses

from wam_core.contract import ActionChunk, Observation
from wam_core.evaluation.properties.check import check, promised
from wam_core.evaluation.properties.flow import causal, interactable
from wam_core.evaluation.properties.reach import plausible
from wam_core.policy import Policy
from wam_core.preset import ACTION
from wam_core.presets import load_preset, preset_names
from wam_core.robot.robot_file import load_robot
from wam_core.training.checkpoint import Checkpoint

HERE = np.array([0.5, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0])


def seen_by(checkpoint: Checkpoint) -> Observation:
    images = {c: np.full((128, 128, 3), 90, np.uint8) for c in checkpoint.preset.layout.cameras}
    senses = tiny_senses(checkpoint.robot, Policy(checkpoint, 0).senses)
    return Observation(0, images, HERE, INSTRUCTIONS[0], senses=senses)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_holds_what_its_wiring_promises(name: str) -> None:
    """A preset that leaked its future into the chunk, ignored the chunk in its future, or grew with every call."""
    checkpoint = tiny_checkpoint(name)
    found = {f.name: f for f in check(checkpoint, seen_by(checkpoint))}
    promise = promised(checkpoint.preset)
    assert found["causal"].holds == (True if promise["causal"] else None), found["causal"].found
    assert found["interactable"].holds == (True if promise["interactable"] else None), found["interactable"].found
    assert found["persistent"].holds, found["persistent"].found
    # Weights are random: whether the arm can do it is told, not held.
    assert "steps in the workspace" in found["plausible"].found


def test_a_leak_and_a_future_that_does_not_listen_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check read the wiring twice and compared it with itself."""
    checkpoint = tiny_checkpoint("gigaworld_policy")
    world = Policy(checkpoint, 0).look(seen_by(checkpoint))
    leaking = rewired(load_preset("gigaworld_policy"), ACTION, sees=("first_frame", "future", "action"))
    flow = "wam_core.evaluation.properties.flow"
    assert causal(world).holds and interactable(world).holds
    leaky = Policy(replace(checkpoint, model=_wired(checkpoint, leaking)), 0).look(seen_by(checkpoint))
    found = causal(leaky)
    assert found.holds is False and "value of future" in found.found and "gradient of future" in found.found
    monkeypatch.setattr(f"{flow}._moved", lambda world, future: False)
    assert interactable(world).holds is False


def _wired(checkpoint: Checkpoint, preset: object):  # type: ignore[no-untyped-def]
    """The checkpoint's weights under another wiring, which its preset does not tell of."""
    from wam_core.model.wam import WorldActionModel

    model = WorldActionModel(replace(checkpoint.model.spec, groups=preset.groups)).eval()  # type: ignore[attr-defined]
    model.load_state_dict(checkpoint.model.state_dict())
    return model


def test_a_chunk_out_of_reach_is_flagged() -> None:
    """A chunk through the table, or to where the arm is too short, passed for a plan."""
    robot = load_robot("panda_cell")

    def told(x: float, z: float) -> str:
        values = np.tile(HERE, (2, 1))
        values[1, [0, 2]] = x, z
        found = plausible(robot, ActionChunk(0, 1, 10**8, robot.action.names, "ee_pose", values, 0))
        assert found.holds == (found.found.startswith("2 of 2") and ", 2 reached" in found.found)
        return found.found

    assert told(0.55, 0.3) == "2 of 2 steps in the workspace, 2 reached within joint limits"
    assert told(1.4, 0.3) == "1 of 2 steps in the workspace, 1 reached within joint limits"
    assert told(0.5, -0.2).startswith("1 of 2")
