"""The robot's own point flow: points on hand and fingers, and where an action takes them (PointWorld's actions)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from wam_core.contract import FloatArray
from wam_core.errors import ContractError
from wam_core.model.enacting import Enactor
from wam_core.model.modalities import TokenShape
from wam_core.robot.tool_solids import ToolSolids
from wam_core.substrates.point_flow import CENTRE, REACH, UNIT
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec


@dataclass(frozen=True)
class RobotFlowSpec(SubstrateSpec):
    """``points`` on the shapes that the tool carries in the URDF."""

    axis = "Geometric"
    shows = "robot_flow"
    channels = ("proprioception",)

    kind: str
    points: int

    def shape(self, clip: Clip) -> TokenShape:
        if self.points < 8:
            raise ContractError("points", self.points, "at least 8, which tell how the hand is turned")
        return TokenShape(1, clip.instants, (), 3 * self.points)

    def enactor(self, clip: Clip) -> Enactor:
        return HandPoints(self, clip)

    def build(self, clip: Clip) -> Substrate:
        return RobotFlow(self, clip)


class HandPoints(Enactor):
    """Points that move with tool pose and opening alone; not thread-safe."""

    def __init__(self, spec: RobotFlowSpec, clip: Clip) -> None:
        """
        Raises:
            ContractError: the robot is not told tool poses, or carries nothing that has a shape.
        """
        robot = clip.known_robot
        if robot.action.space != "ee_pose":
            raise ContractError("robot.action.space", robot.action.space, "ee_pose, which says where the hand goes")
        self._solids = ToolSolids(robot)
        if not self._solids.solids:
            raise ContractError("robot.urdf", robot.urdf, "shapes that the tool carries")
        self._solid, self._local = self._solids.surface(spec.points)
        self._reference = Rotation.from_euler("xyz", robot.tool_reference_rpy)
        self._width = len(robot.proprioception)
        self._instants, self._stride = clip.instants, clip.stride
        reference = np.zeros((1, self._width))
        both = [self.places(reference + opening * (np.arange(self._width) == 6))[0] for opening in (0.0, 1.0)]
        # What the fingers carry along says nothing of how the hand is turned.
        self._rigid = np.abs(both[0] - both[1]).max(axis=1) < 1e-9
        self._own = self._reference.inv().apply(both[0][self._rigid])

    def places(self, poses: FloatArray) -> FloatArray:
        """``[N, K, 3]`` m, base frame, of the points at tool ``poses [N, D]``."""
        rotation, position = self._solids.frames(poses)
        turned = np.einsum("nkij,kj->nki", rotation[:, self._solid], self._local)
        return turned + position[:, self._solid]

    def proprioception(self, here: Tensor) -> FloatArray:
        """The tool pose, read off the points of the hand (Kabsch 1976); the opening is not, which actions say anew."""
        points = REACH * here.double().numpy().reshape(-1, 3)[self._rigid] + CENTRE
        middle, own = points.mean(axis=0), self._own.mean(axis=0)
        turn, _ = Rotation.align_vectors(points - middle, self._own - own)
        pose = np.full(self._width, 0.5)
        pose[:3], pose[3:6] = middle - turn.apply(own), (self._reference.inv() * turn).as_rotvec()
        return pose

    def enacted(self, here: Tensor, chunk: FloatArray) -> Tensor:
        begin = REACH * here.double().numpy().reshape(1, -1, 3) + CENTRE
        due = chunk[self._stride - 1 :: self._stride][: self._instants]
        return torch.from_numpy((self.places(due) - begin) / UNIT).flatten(1).float()


class RobotFlow(Substrate):
    """The present is where the points are; the future, how far each has moved since.

    ``decode`` gives float32 ``[M, instants, K, 3]``: displacement of each point, m, base frame.
    """

    def __init__(self, spec: RobotFlowSpec, clip: Clip) -> None:
        super().__init__()
        self._hand = HandPoints(spec, clip)

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        poses = scenes.channel("proprioception")[rows].astype(np.float64)
        places = self._hand.places(poses.reshape(-1, poses.shape[-1])).reshape(*rows.shape, -1, 3)
        present = (places[:, :1] - CENTRE) / REACH
        moved = (places[:, 1:] - places[:, :1]) / UNIT
        return torch.from_numpy(np.concatenate((present, moved), axis=1)).flatten(2).float()

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        values: NDArray[np.float32] = (UNIT * future).unflatten(-1, (-1, 3)).float().numpy()
        return values
