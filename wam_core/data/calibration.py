"""Whether the calibration that a camera's driver publishes is the one that the robot file has."""

from typing import Any

import numpy as np

from wam_core.errors import ContractError
from wam_core.robot.contract import Camera

#: Numbers are equal to so many parts of themselves: no pixel moves by more than some hundredths, and what was copied
#: by hand may be rounded.
RELATIVE, ABSOLUTE = 1e-4, 1e-6


def check_camera_info(camera: Camera, info: Any) -> None:
    """Hold ``sensor_msgs/CameraInfo``, live or recorded, against a camera that has a distortion.

    ``r`` and ``p`` are of rectified stereo pairs and not looked at: pictures are undistorted to ``k``.

    Raises:
        ContractError: the driver is not calibrated, publishes pictures of another size, binned or cut out, or another
            calibration.
    """
    lens, distortion, field = camera.lens, camera.distortion, f"{camera.name}.camera_info"
    if lens is None or distortion is None:
        raise ContractError(f"{field}", "a calibration", "none: the robot file has no distortion of this camera")
    if not info.k[0]:
        raise ContractError(f"{field}.k", 0.0, "a driver that is calibrated, as the robot file is")
    roi, size = info.roi, (camera.width, camera.height)
    cut = (roi.x_offset, roi.y_offset, roi.width or camera.width, roi.height or camera.height)
    wanted = {
        "size": ((info.width, info.height), size),
        "binning": ((info.binning_x or 1, info.binning_y or 1), (1, 1)),
        "roi": (cut, (0, 0, *size)),
        "distortion_model": (info.distortion_model, distortion.model),
    }
    for name, (found, expected) in wanted.items():
        if found != expected:
            raise ContractError(f"{field}.{name}", found, f"{expected} as in the robot file")
    matrix = (lens.fx, 0.0, lens.cx, 0.0, lens.fy, lens.cy, 0.0, 0.0, 1.0)
    for name, values, numbers in (("k", info.k, matrix), ("d", info.d, distortion.coefficients)):
        sent = np.asarray(values, np.float64)
        if sent.shape != (len(numbers),) or not np.allclose(sent, numbers, RELATIVE, ABSOLUTE):
            raise ContractError(f"{field}.{name}", sent.tolist(), f"{list(numbers)} as in the robot file")
