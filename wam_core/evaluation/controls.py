"""Controls that could prove a policy's success empty: eyes shut, and the wrong instruction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import ActionChunk, Committed, Observation
from wam_core.errors import ContractError
from wam_core.policy import Policy


class BlindPolicy:
    """A policy whose cameras are frozen to the first training frame; proprioception and instruction stay live."""

    #: It looks at nothing, so nothing need be rendered for it.
    cameras: Sequence[str] = ()

    def __init__(self, policy: Policy) -> None:
        self.replan_steps = policy.replan_steps
        self._policy = policy
        self._frozen = _camera_images(policy)

    def act(self, observation: Observation, committed: Committed | None = None) -> ActionChunk:
        return self._policy.act(replace(observation, images=self._frozen), committed)


class ShuffledInstruction:
    """A policy that is told another instruction of the same task, drawn anew in each episode."""

    def __init__(self, policy: Policy, rng: np.random.Generator) -> None:
        self.cameras: Sequence[str] = policy.cameras
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


def _camera_images(policy: Policy) -> Mapping[str, NDArray[np.uint8]]:
    """The first training frame's tiles, enlarged so that preprocessing gives the same tiles back."""
    layout, robot = policy.checkpoint.preset.layout, policy.checkpoint.robot
    images = {}
    for name, (top, left, height, width) in layout.regions.items():
        tile = policy.checkpoint.first_frame[top : top + height, left : left + width]
        camera = robot.camera(name)
        enlarged = cv2.resize(tile, (camera.width, camera.height), interpolation=cv2.INTER_NEAREST)
        images[name] = enlarged.astype(np.uint8)
    return images
