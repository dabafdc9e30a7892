"""Geometric: where each camera will see a few points of the tool, a line through them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.contract import FloatArray
from wam_core.model.modalities import TokenShape
from wam_core.robot.tool_pose import tool_frames
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec

#: The points in the tool frame, in lengths: they are not in one plane, so that they tell the tool's pose. The line goes
#: from one finger over the tool point to the other, and on behind the tool.
POINTS: FloatArray = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, -1.0, 0.0], [1.0, 0.0, -1.0]])


@dataclass(frozen=True)
class ToolPointsSpec(SubstrateSpec):
    """``length`` is the unit of :data:`POINTS` in m."""

    axis = "Geometric"
    shows = "key_points"
    channels = ("proprioception",)

    kind: str
    length: float

    def shape(self, clip: Clip) -> TokenShape:
        return TokenShape(0, clip.instants, (), 2 * len(POINTS) * len(clip.layout.cameras))

    def build(self, clip: Clip) -> Substrate:
        return ToolPoints(self, clip)


class ToolPoints(Substrate):
    """By the robot's own kinematics, seen or hidden, one token an instant; the sides of a camera's tile are -1 and 1.

    ``decode`` gives float32 ``[M, instants, cameras, points, 2]``: x and y as shares 0..1 of the laid-out picture's
    width and height, in the order of the layout and of :data:`POINTS`.
    """

    #: Points are not looked for further outside of a tile than this.
    RANGE = 3.0

    def __init__(self, spec: ToolPointsSpec, clip: Clip) -> None:
        super().__init__()
        self.spec, self.robot, self.size = spec, clip.known_robot, clip.layout.size
        self.geometry = clip.geometry()
        regions = np.array([view.region for view in self.geometry.views.values()], np.float64)
        self.halves = regions[:, [3, 2]] / 2.0
        self.middles = regions[:, [1, 0]] + self.halves

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        states = scenes.channel("proprioception").astype(np.float64)[rows[:, 1:]]
        seen = self._seen(states.reshape(-1, states.shape[-1]))
        shares = (seen + 0.5 - self.middles[:, None]) / self.halves[:, None]
        # What is behind a camera is at the end of its range.
        known = np.nan_to_num(np.clip(shares, -self.RANGE, self.RANGE), nan=self.RANGE)
        return torch.from_numpy(known.reshape(*rows[:, 1:].shape, -1)).float()

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        shares = future.double().numpy().reshape(*future.shape[:2], len(self.halves), len(POINTS), 2)
        pixels = shares * self.halves[:, None] + self.middles[:, None]
        return np.asarray(pixels / self.size[::-1], np.float32)

    def _seen(self, states: FloatArray) -> FloatArray:
        """``[N, cameras, points, 2]`` pixels of the laid-out picture at proprioception ``[N, D]``."""
        rotation, position = tool_frames(self.robot, states)
        points = position[:, None] + np.einsum("nij,kj->nki", rotation, self.spec.length * POINTS)
        return np.stack([self.geometry.project(name, points, states)[0] for name in self.geometry.views], axis=1)
