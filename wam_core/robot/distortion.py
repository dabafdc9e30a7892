"""What a camera's lens does to straight lines, by the models of ``sensor_msgs/CameraInfo`` (REP 104).

The calibration stands in the robot file, and not only on the camera's ``camera_info`` topic: a checkpoint must be bound
to it before anything moves, every recording carries it, so that what was seen is made again from the recording alone,
and no node depends on which driver came up first. What the driver publishes is compared with it where the topic is
named; a camera that was calibrated anew is refused by name instead of seen otherwise than the model was taught.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wam_core.contract import check_finite
from wam_core.errors import ContractError, look_up
from wam_core.fields import read
from wam_core.robot.lens import Lens

#: Distortion model -> its coefficients in the order of ``CameraInfo.d``. ``plumb_bob`` is Brown's (Decentering
#: Distortion of Lenses, 1966), ``rational_polynomial`` its quotient as OpenCV has it, ``equidistant`` that of Kannala
#: and Brandt for fisheye lenses (A Generic Camera Model and Calibration Method, PAMI 2006).
DISTORTIONS: Mapping[str, tuple[str, ...]] = {
    "plumb_bob": ("k1", "k2", "p1", "p2", "k3"),
    "rational_polynomial": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "equidistant": ("k1", "k2", "k3", "k4"),
}


@dataclass(frozen=True)
class Distortion:
    """Its pictures are undistorted before anything looks at them, to those of the camera's :class:`Lens`.

    Attributes:
        model: a key of :data:`DISTORTIONS`.
        camera_info: topic on which the driver publishes its calibration, which must be this one; empty: not listened
            to.
    """

    model: str
    coefficients: tuple[float, ...]
    camera_info: str = ""


def read_distortion(raw: Mapping[str, Any] | None, lens: Lens | None, source: str) -> Distortion | None:
    """The distortion of the camera ``source`` in a robot file, if it says one.

    Raises:
        ContractError: an unknown model, another number of coefficients than it has, one that is not finite, or no lens.
    """
    if raw is None:
        return None
    distortion = read(Distortion, raw, f"{source}.distortion")
    names = look_up(DISTORTIONS, distortion.model, f"{source}.distortion.model")
    field, found = f"{source}.distortion.coefficients", distortion.coefficients
    if not isinstance(found, tuple) or len(found) != len(names) or not all(isinstance(v, int | float) for v in found):
        raise ContractError(field, found, f"the numbers {', '.join(names)} of {distortion.model}")
    coefficients = tuple(map(float, found))
    check_finite(field, np.array(coefficients))
    if lens is None:
        raise ContractError(f"{source}.lens", None, "fx, fy, cx, cy in pixels, as K of the same calibration")
    return Distortion(distortion.model, coefficients, distortion.camera_info)
