"""What a driver says of its lens, held against the robot file: live (test_undistort_node.py) and in recordings."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from distorted import GLASSES, behind, robot_behind
from hypothesis import given
from hypothesis import strategies as st
from synthetic_recording import START_NS, small_robot, write_episode

from wam_core.data import messages
from wam_core.data.calibration import check_camera_info
from wam_core.data.reader import read_episode
from wam_core.data.recorder import Recorder
from wam_core.data.recording import Recording
from wam_core.errors import ContractError
from wam_core.robot.contract import Camera
from wam_core.robot.robot_file import load_robot

FRONT = behind(load_robot("panda_cell").camera("front"), GLASSES["webcam"], 96, 128)


def info(camera: Camera, **changes: object) -> SimpleNamespace:
    """``sensor_msgs/CameraInfo`` of the camera, its fields as ROS names them."""
    lens, distortion = camera.lens, camera.distortion
    assert lens is not None and distortion is not None
    roi = {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False}
    told: dict[str, Any] = {
        "height": camera.height,
        "width": camera.width,
        "distortion_model": distortion.model,
        "d": list(distortion.coefficients),
        "k": [lens.fx, 0.0, lens.cx, 0.0, lens.fy, lens.cy, 0.0, 0.0, 1.0],
        "binning_x": 0,
        "binning_y": 0,
        "roi": SimpleNamespace(**roi | changes.pop("roi", {})),  # type: ignore[operator]
    }
    return SimpleNamespace(**told | changes)


@pytest.mark.parametrize("glass", GLASSES)
def test_the_same_calibration_is_accepted_however_it_was_written_down(glass: str) -> None:
    """A clean driver was refused: its numbers had been copied with six digits, or it named the whole picture."""
    camera = behind(FRONT, GLASSES[glass], 96, 128)
    check_camera_info(camera, info(camera))
    whole = info(camera, roi={"width": 128, "height": 96}, binning_x=1, binning_y=1)
    whole.k = [float(f"{value:.6g}") for value in whole.k]
    check_camera_info(camera, whole)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"k": [0.0] * 9}, r"front\.camera_info\.k.*calibrated"),
        ({"width": 64, "height": 48}, r"camera_info\.size.*\(64, 48\).*\(128, 96\)"),
        ({"binning_x": 2}, r"camera_info\.binning"),
        ({"roi": {"x_offset": 4}}, r"camera_info\.roi"),
        ({"roi": {"width": 100, "height": 96}}, r"camera_info\.roi"),
        ({"distortion_model": "rational_polynomial"}, r"camera_info\.distortion_model.*plumb_bob"),
        ({"distortion_model": ""}, r"camera_info\.distortion_model"),
        ({"d": [-0.31, 0.11, 0.0012, -0.0008]}, r"camera_info\.d: got"),
        ({"d": [-0.3, 0.11, 0.0012, -0.0008, -0.02]}, r"camera_info\.d: got"),
        ({"d": [float("nan")] * 5}, r"camera_info\.d: got"),
        ({"k": [80.0, 0.0, 62.72, 0.0, 81.92, 49.44, 0.0, 0.0, 1.0]}, r"camera_info\.k: got"),
    ],
)
def test_another_calibration_is_refused_by_name(changes: dict[str, Any], said: str) -> None:
    """Half the picture, or that of another lens, was undistorted as if it were the whole of this one."""
    with pytest.raises(ContractError, match=said):
        check_camera_info(FRONT, info(FRONT, **changes))


@given(st.integers(0, 4), st.floats(1e-3, 1.0), st.booleans())
def test_no_coefficient_that_moves_pixels_may_differ(which: int, by: float, less: bool) -> None:
    """The third coefficient was not compared."""
    told = info(FRONT)
    told.d[which] += -by if less else by
    with pytest.raises(ContractError, match="d: got"):
        check_camera_info(FRONT, told)


def recorded(path: Path, camera: Camera, said: list[SimpleNamespace]) -> Path:
    """An episode as a recorder would have it with what the driver of ``camera`` said."""
    robot = robot_behind(small_robot(), replace(GLASSES["webcam"], camera_info="/info"), 12, 16)
    plain = Recording(write_episode(path.with_suffix(".plain.mcap"), robot, steps=4))
    types = messages.typestore().types
    with Recorder(path, robot, {"cameras": "front"}) as recorder:
        for message in plain.messages():
            recorder.write(message.topic, message.type_name, message.data, message.stamp_ns)
        for k, told in enumerate(said):
            roi = types["sensor_msgs/msg/RegionOfInterest"](**vars(told.roi))
            fields = (told.height, told.width, told.distortion_model, np.array(told.d), np.array(told.k))
            rest = (np.eye(3).reshape(-1), np.zeros(12), told.binning_x, told.binning_y, roi)
            header = messages.header(START_NS + k, camera.frame)
            sent = messages.encode("sensor_msgs/msg/CameraInfo", header, *fields, *rest)
            recorder.write("/info", sent.type_name, sent.data, START_NS + k)
    return path


def test_a_recording_whose_driver_said_otherwise_is_refused(tmp_path: Path) -> None:
    """Demonstrations were recorded after a camera was calibrated anew, and undistorted by the numbers of before."""
    camera = robot_behind(small_robot(), GLASSES["webcam"], 12, 16).camera("front")
    assert len(read_episode(recorded(tmp_path / "same.mcap", camera, [info(camera)] * 3)).stamps_ns) == 4
    other = [info(camera), info(camera, d=[-0.3, 0.11, 0.0012, -0.0008, -0.02])]
    with pytest.raises(ContractError, match=r"camera_info\.d: got"):
        read_episode(recorded(tmp_path / "other.mcap", camera, other))
