"""Cameras with a lens that bends lines, and what they would send of a straight picture."""

from dataclasses import replace

import cv2
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.robot.contract import Camera, RobotContract
from wam_core.robot.distortion import Distortion
from wam_core.robot.lens import Lens

#: A webcam, a wide lens whose corners reach beyond the sensor, one that draws corners outwards, a fisheye.
GLASSES = {
    "webcam": Distortion("plumb_bob", (-0.31, 0.11, 0.0012, -0.0008, -0.02)),
    "wide": Distortion("rational_polynomial", (0.35, -0.02, -0.001, 0.0005, 0.01, 0.62, -0.05, 0.02)),
    "pincushion": Distortion("plumb_bob", (0.24, 0.03, 0.0, 0.0, 0.0)),
    "fisheye": Distortion("equidistant", (-0.04, 0.01, -0.003, 0.0004)),
}
#: Greatest coefficients that are tried: a lens beyond them folds the picture over itself.
GREATEST = {"plumb_bob": (0.2, 0.04, 0.003, 0.003, 0.01), "equidistant": (0.06, 0.02, 0.005, 0.001)}
GREATEST["rational_polynomial"] = (*GREATEST["plumb_bob"], 0.1, 0.02, 0.005)


@st.composite
def glasses(draw: st.DrawFn) -> Distortion:
    model = draw(st.sampled_from(sorted(GREATEST)))
    return Distortion(model, tuple(draw(st.floats(-most, most)) for most in GREATEST[model]))


def behind(camera: Camera, distortion: Distortion, height: int, width: int) -> Camera:
    """The camera with this distortion: its focal length is such that the corners are bent."""
    lens = Lens(0.62 * width, 0.64 * width, 0.49 * width, 0.515 * height)
    return replace(camera, height=height, width=width, lens=lens, distortion=distortion)


def robot_behind(robot: RobotContract, distortion: Distortion, height: int, width: int) -> RobotContract:
    return replace(robot, cameras=tuple(behind(camera, distortion, height, width) for camera in robot.cameras))


def straight_places(camera: Camera) -> FloatArray:
    """``[H, W, 2]`` x, y in the straight picture of what each pixel of the camera's shows."""
    lens, distortion = camera.lens, camera.distortion
    assert lens is not None and distortion is not None
    matrix = np.array([[lens.fx, 0.0, lens.cx], [0.0, lens.fy, lens.cy], [0.0, 0.0, 1.0]])
    sent = np.stack(np.meshgrid(np.arange(camera.width), np.arange(camera.height)), axis=-1).astype(np.float64)
    flat, bent = sent.reshape(-1, 1, 2), np.array(distortion.coefficients)
    if distortion.model == "equidistant":
        found = cv2.fisheye.undistortPoints(flat, matrix, bent, P=matrix)
    else:
        ends = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-10)
        found = cv2.undistortPointsIter(flat, matrix, bent, np.eye(3), matrix, ends)
    return found.reshape(camera.height, camera.width, 2)


def sent_by(camera: Camera, straight: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What the camera would send of what a straight picture shows; black beyond its edges."""
    x, y = np.moveaxis(straight_places(camera).astype(np.float32), -1, 0)
    return cv2.remap(straight, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
