"""All properties of one checkpoint."""

from wam_core.contract import Observation
from wam_core.evaluation.properties.finding import Finding
from wam_core.evaluation.properties.flow import causal, following, interactable, unseen
from wam_core.evaluation.properties.horizon import persistent
from wam_core.evaluation.properties.reach import plausible
from wam_core.policy import Policy
from wam_core.preset import Preset
from wam_core.robot.contract import contract_of
from wam_core.training.checkpoint import Checkpoint


def check(checkpoint: Checkpoint, observation: Observation) -> tuple[Finding, ...]:
    """Causal, interactable, persistent and plausible, tried from ``observation``.

    Raises:
        ContractError: the observation is not one that the checkpoint can answer.
    """
    policy = Policy(checkpoint, seed=0)
    world, chunk = policy.look(observation), policy.act(observation)
    return (
        causal(world),
        interactable(world),
        persistent(checkpoint, observation),
        plausible(contract_of(checkpoint.robot), chunk),
    )


def promised(preset: Preset) -> dict[str, object]:
    """What the wiring alone says: futures that the chunk must not see, those that follow it, observations kept."""
    return {
        "causal": list(unseen(preset)),
        "interactable": list(following(preset)),
        "persistent": {"observations": 1 + preset.memory},
    }
