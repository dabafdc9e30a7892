"""Contact that is harder or softer than foreseen moves the tool back or on (OmniVTA's reflex)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.reflexes.reflex import ReflexSpec
from wam_core.robot.contract import RobotContract


@dataclass(frozen=True)
class TouchAdmittance(ReflexSpec):
    """Admittance (Hogan 1985) about the foreseen contact instead of about a set force.

    At every step the tool is displaced against its motion by ``compliance`` (m/N) for each N by which the fingertips
    feel more than was foreseen, and along it where they feel less, until they feel what was foreseen; by ``most`` (m)
    in all. Differences below ``deadband`` (N) count as none. The direction is that from where the tool is to where the
    chunk leads: skin does not feel in which direction it is pressed. It is stable while ``compliance`` times the
    stiffness of what is pressed, and of the arm, stays well below 1.
    """

    shows: ClassVar[str] = "touch"
    channel: ClassVar[str] = "touch"

    kind: str
    compliance: float
    deadband: float
    most: float

    def correct(
        self,
        robot: RobotContract,
        foreseen: NDArray[np.float32],
        measured: NDArray[np.float32],
        here: FloatArray,
        made: FloatArray,
        current: FloatArray,
    ) -> FloatArray:
        excess = float(measured.sum()) - float(foreseen.sum())
        way = made[-1, :3] - here[:3]
        length = float(np.linalg.norm(way))
        if abs(excess) <= self.deadband or length < 1e-6:
            return current
        beyond = excess - np.copysign(self.deadband, excess)
        shift = current[:, :3] - made[:, :3] - self.compliance * beyond * way / length
        reach = np.linalg.norm(shift, axis=1, keepdims=True)
        corrected = made.copy()
        corrected[:, :3] += shift * np.minimum(1.0, self.most / np.maximum(reach, 1e-9))
        return corrected
