"""What is measured: a preset that is trained for it, a checkpoint of such a preset, or published weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wam_core.contract import ActionChunk, Observation
from wam_core.errors import ContractError, look_up
from wam_core.evaluation.controls import BlindPolicy
from wam_core.evaluation.rollout import Policy as Acting
from wam_core.model.runtimes.table import RUNTIMES
from wam_core.policy import Policy
from wam_core.presets import Preset, from_dict
from wam_core.pretrained.policy import PublishedPolicy, load_policy
from wam_core.robot.embodiment import Embodiment
from wam_core.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class Contestant:
    """Policies of one model, each for one episode: seed -> what acts, and what may ask for a chunk early.

    Attributes:
        seeing: as it is. blind: with its cameras frozen to the first training frame; None where there is none.
    """

    seeing: Callable[[int], tuple[Acting, Callable[[Observation], bool] | None]]
    blind: Callable[[int], Acting] | None


def made_for(preset: Preset, body: Embodiment, replan_steps: int) -> Preset:
    """``preset`` with the cameras of ``body`` in place of its robot's; all else is as it was.

    Args:
        replan_steps: 0: the preset's own.

    Raises:
        ContractError: the preset cannot do with these cameras.
    """
    cameras = tuple(camera.name for camera in body.cameras)
    layout = replace(preset.layout, cameras=cameras)
    made = replace(preset, robot=body.name, layout=layout, replan_steps=replan_steps or preset.replan_steps)
    return from_dict(made.to_dict(), preset.name)


def of_checkpoint(checkpoint: Checkpoint, body: Embodiment, runtime: str) -> Contestant:
    """Raises :class:`ContractError` naming the first thing in which it was trained for another body."""
    if checkpoint.robot.to_dict() != body.to_dict():
        found, expected = checkpoint.robot.to_dict(), body.to_dict()
        field = next(name for name in expected if found.get(name) != expected[name])
        raise ContractError(f"checkpoint.{field}", found.get(field), f"{expected[field]}, as {body.name} has it")
    computed = look_up(RUNTIMES, runtime, "runtime")(checkpoint.model)

    def seeing(seed: int) -> tuple[Acting, Callable[[Observation], bool] | None]:
        policy = Policy(checkpoint, seed, computed)
        return policy, policy.parted if checkpoint.preset.trigger else None

    return Contestant(seeing, lambda seed: BlindPolicy(Policy(checkpoint, seed, computed)))


def of_published(folder: Path, body: Embodiment, device: str, runtime: str) -> Contestant:
    """Weights that ``wam import`` brought; they have no training frame to be frozen to."""
    policy = load_policy(folder, device=device, runtime=runtime)
    if policy.body.name != body.name:
        raise ContractError("published.embodiment.name", policy.body.name, repr(body.name))
    return Contestant(lambda seed: (Chunks(policy, seed), None), None)


class Chunks:
    """Published weights, asked as all others are."""

    senses: Sequence[str] = ()

    def __init__(self, policy: PublishedPolicy, seed: int) -> None:
        self.cameras: Sequence[str] = policy.preset.layout.cameras
        self.replan_steps = policy.replan_steps
        policy.begin(seed)
        self._policy = policy

    def act(self, observation: Observation) -> ActionChunk:
        """The benchmark's own numbers, the first of them due at once."""
        body, stamp_ns = self._policy.body, observation.stamp_ns
        values = self._policy.act(observation.images, observation.proprioception, observation.instruction)
        names, space = body.action.names, body.action.space
        return ActionChunk(stamp_ns, stamp_ns, body.step_ns, names, space, values, 0, self._policy.preset.name)
