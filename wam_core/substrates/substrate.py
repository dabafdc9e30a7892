"""What a future is made of: the interface between recorded scenes and the model's features."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from wam_core.errors import ContractError
from wam_core.model.enacting import Enactor
from wam_core.model.lifting import Lift
from wam_core.model.modalities import TokenShape
from wam_core.model.runtimes.runtime import Compute
from wam_core.preprocess.images import ImageLayout
from wam_core.robot.body import Body
from wam_core.robot.contract import RobotContract, contract_of
from wam_core.robot.geometry import Geometry

#: What can be known of an instant beside its picture.
CHANNELS: Mapping[str, str] = {
    "proprioception": "[N, D] in the order and units of the robot contract; always there",
    "depth": "float32 [N, H, W*] m along the optical axis, laid out as the images are; inf where there is nothing",
    "object": "bool [N, H, W*] where the object is seen that the task is about",
    "object_pose": "[N, 6] of that object: x y z (m), rotation vector (rad), base frame",
    "sound": "float32 [N, S] -1..1: the samples of the action step that ends at the instant",
    "touch": "float32 [N, 2, R, C] N per taxel of the left and the right fingertip, as in its picture: rows "
    "along the finger to its tip, columns along the x axis of the tool",
    "contact": "[N] 1 where the tool feels something, else 0; of recordings",
    "progress": "[N] share of the stretch that has passed; of recordings",
    "beginning": "[N] row at which the stretch began; of recordings",
}


@dataclass(frozen=True)
class Scenes:
    """Instants as they were sensed, recorded or live; substrates encode from these.

    Attributes:
        images: uint8 ``[N, H, W*, 3]``, laid out as the preset says.
        channels: what else is known of the same instants, by name, ``[N, ...]`` each; those of :data:`CHANNELS`.
    """

    images: NDArray[np.uint8]
    channels: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    def channel(self, name: str) -> NDArray[np.generic]:
        """A channel by name.

        Raises:
            ContractError: the scenes do not have it; nothing stands in for it.
        """
        if name not in self.channels:
            raise ContractError(f"scenes.{name}", sorted(self.channels), "recordings with this channel")
        return self.channels[name]


@dataclass(frozen=True)
class Clip:
    """Timing and picture of one training window.

    Attributes:
        instants: predicted instants after the observed one. stride: action steps between two of them.
        pace: action steps between two observations that are answered.
        robot: what senses and acts; None before it is known, when sizes are all that can be asked for.
    """

    layout: ImageLayout
    instants: int
    stride: int
    robot: Body | None = None
    pace: int = 1

    def geometry(self, shrink: int = 1) -> Geometry:
        """Where the pixels of the laid-out image look, if that is made smaller by ``shrink``.

        Raises:
            ContractError: the robot is not known, or does not say where its cameras are.
        """
        layout = replace(self.layout, height=self.layout.height // shrink, width=self.layout.width // shrink)
        return Geometry(self.known_robot, layout)

    @property
    def known_robot(self) -> RobotContract:
        """The robot; :class:`ContractError` where it is not known, or is a benchmark's."""
        if self.robot is None:
            raise ContractError("clip.robot", None, "the robot that the substrate is built for")
        return contract_of(self.robot)


def token_grid(clip: Clip, unit: int) -> tuple[int, int]:
    """Rows and columns of tokens of ``unit`` x ``unit`` pixels.

    Raises:
        ContractError: a camera's tile is not made of whole tokens.
    """
    for camera, region in clip.layout.regions.items():
        if any(side % unit for side in region):
            raise ContractError(f"layout.{camera}", region, f"multiples of {unit} pixels")
    height, width = clip.layout.size
    return height // unit, width // unit


class Substrate(nn.Module, ABC):
    """One kind of future. Frozen: what it learned, it learned before the model."""

    @abstractmethod
    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        """Features ``[M, N, F]`` of clips, the observed instant's tokens first.

        Args:
            rows: ``[M, 1]`` for the observed instant alone, or ``[M, 1 + instants]``, into ``scenes``.
        """

    def computed(self, part: Callable[[Compute], Compute]) -> "Substrate":
        """This substrate with what encodes the observed instant alone as ``part`` computes it; itself where there is
        nothing of that kind."""
        return self

    @abstractmethod
    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        """Values ``[M, instants, ...]``, as ``Future.values`` holds them, of predicted features."""


class SubstrateSpec(ABC):
    """A substrate as a preset names it: a frozen dataclass whose field ``kind`` is its name in the table.

    Attributes:
        axis: its value on the survey's substrate axis.
        shows: what the substrate's ``decode`` gives, as ``Future.substrate`` names it for those who display it.
        channels: keys of :data:`CHANNELS` that it encodes from, beside the pictures. Where a group of it is observed,
            the robot must have them; else only the recordings that it is trained with.
        goes_on: whether ``decode`` needs the present's features, of which the future's are the continuation.
        remembers: whether its future is no prediction: what is remembered, as an action would bring the cameras to see
            it.
    """

    axis: ClassVar[str]
    shows: ClassVar[str]
    channels: ClassVar[tuple[str, ...]] = ()
    goes_on: ClassVar[bool] = False
    remembers: ClassVar[bool] = False
    kind: str

    @property
    def present_channels(self) -> tuple[str, ...]:
        """Those of them that the present alone is encoded from: what a robot must have live."""
        return self.channels

    @abstractmethod
    def shape(self, clip: Clip) -> TokenShape:
        """Its tokens.

        Raises:
            ContractError: the picture or the timing does not fit.
        """

    def lift(self, clip: Clip) -> Lift:
        """How groups that are seen as points become these.

        Raises:
            ContractError: nothing says where what this substrate shows is in space.
        """
        raise ContractError("substrate.kind", self.kind, "one with depth, where a group is lifted")

    def enactor(self, clip: Clip) -> Enactor:
        """How an action becomes what it does to the robot.

        Raises:
            ContractError: what this substrate shows is not the robot's own.
        """
        raise ContractError("substrate.kind", self.kind, "one of the robot's own body, where an action is enacted")

    @abstractmethod
    def build(self, clip: Clip) -> Substrate:
        """The substrate, with random weights where it has any."""
