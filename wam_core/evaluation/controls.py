"""Controls that could prove a policy's success empty: eyes shut, and the wrong instruction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import ActionChunk, Committed, Observation
from wam_core.errors import ContractError
from wam_core.policy import Policy
from wam_core.preprocess.images import ImageLayout, Views
from wam_core.robot.senses import SENSES, Sense


class BlindPolicy:
    """A policy whose cameras are frozen to the first training frame; proprioception and instruction stay live.

    So is what is seen with them: depth, and the object's mask and pose. What is felt and heard stays live.
    """

    #: It looks at nothing, so nothing need be rendered for it.
    cameras: Sequence[str] = ()

    def __init__(self, policy: Policy) -> None:
        self.replan_steps = policy.replan_steps
        robot = policy.checkpoint.robot
        by_name = {sense.name: sense for sense in robot.senses}
        seen = [s for s in map(by_name.__getitem__, policy.senses) if s.camera or s.kind == "object_pose"]
        self.senses: Sequence[str] = [name for name in policy.senses if name not in [s.name for s in seen]]
        self._policy = policy
        self._frozen = _camera_images(policy)
        self._frozen_senses = {sense.name: _first(policy, sense) for sense in seen}

    def act(self, observation: Observation, committed: Committed | None = None) -> ActionChunk:
        senses = {**observation.senses, **self._frozen_senses}
        return self._policy.act(replace(observation, images=self._frozen, senses=senses), committed)

    def corrected(self, observation: Observation) -> ActionChunk | None:
        return self._policy.corrected(replace(observation, senses={**observation.senses, **self._frozen_senses}))


class ShuffledInstruction:
    """A policy that is told another instruction of the same task, drawn anew in each episode."""

    def __init__(self, policy: Policy, rng: np.random.Generator) -> None:
        self.cameras: Sequence[str] = policy.cameras
        self.senses: Sequence[str] = policy.senses
        self.replan_steps = policy.replan_steps
        self._policy = policy
        self._rng = rng
        self._told: dict[str, str] = {}

    def act(self, observation: Observation, committed: Committed | None = None) -> ActionChunk:
        true = observation.instruction
        if true not in self._told:
            verb = true.split()[0]
            known = self._policy.checkpoint.training["instructions"]
            others = [t for t in known if t.split()[0] == verb and t != true]
            if not others:
                raise ContractError("instructions", known, f"another instruction that begins with {verb!r}")
            self._told = {true: str(self._rng.choice(others))}
        return self._policy.act(replace(observation, instruction=self._told[true]), committed)

    def corrected(self, observation: Observation) -> ActionChunk | None:
        return self._policy.corrected(observation)


def _camera_images(policy: Policy) -> Mapping[str, NDArray[np.uint8]]:
    """The first training frame's tiles, enlarged so that preprocessing gives the same tiles back."""
    layout, robot = policy.checkpoint.preset.layout, policy.checkpoint.robot
    return {name: _enlarged(robot, layout, name, policy.checkpoint.first_frame) for name in layout.cameras}


def _first(policy: Policy, sense: Sense) -> NDArray[Any]:
    """What a sense of sight says of the first training frame."""
    c = policy.checkpoint
    values = c.first_channels[SENSES[sense.kind].channel]
    return _enlarged(c.robot, c.preset.layout, sense.camera, values) if sense.camera else values


def _enlarged(robot: Views, layout: ImageLayout, camera: str, values: NDArray[Any]) -> NDArray[Any]:
    """The camera's tile at the camera's size."""
    top, left, height, width = layout.regions[camera]
    (high, wide), tile = robot.camera(camera).size, values[top : top + height, left : left + width]
    plain = tile.astype(np.uint8) if tile.dtype == np.bool_ else tile
    return cv2.resize(plain, (wide, high), interpolation=cv2.INTER_NEAREST).astype(tile.dtype)
