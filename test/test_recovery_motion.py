"""What the arm does in a future, read off the true future: recoveries are tried, and not what generates futures."""

from dataclasses import replace

import numpy as np
import pytest
from recovered import misses, truth

from wam_core.errors import ContractError
from wam_core.preprocess.images import ImageLayout
from wam_core.recovery.rigid_motion import RigidMotionSpec
from wam_core.substrates.substrate import Scenes

RIGID = RigidMotionSpec("rigid_motion", "future", radius=0.12, behind=0.2, beyond=0.03)


def test_the_tools_motion_is_read_off_the_flow_of_what_moves_with_it() -> None:
    """Motion in the picture was taken for the arm's: upside down, about the camera, or in the camera's frame."""
    foreseen, poses = truth()
    found = RIGID.way_points(foreseen)
    far, turned = misses(found, poses)
    assert np.linalg.norm(poses[-1, :3] - foreseen.pose[:3]) > 0.12
    assert far.max() < 20.0 and turned.max() < 5.0 and found.trust.min() > 0.8


@pytest.mark.parametrize("camera", ["side", "wrist"])
def test_one_camera_beside_the_arm_or_on_it_says_which_way_it_goes(camera: str) -> None:
    """A camera on the tool sees everything move the other way."""
    foreseen, poses = truth(ImageLayout((camera,), 128, 128))
    found = RIGID.way_points(foreseen)
    way, true = (p[3, :3] - foreseen.pose[:3] for p in (found.poses, poses))
    assert way @ true > 0.9 * np.linalg.norm(way) * np.linalg.norm(true)


def test_a_future_in_which_nothing_moves_keeps_the_arm_where_it_is() -> None:
    """Noise of the flow was summed up to a motion."""
    foreseen, _ = truth()
    still = replace(foreseen, future=np.repeat(foreseen.scenes.images, 4, axis=0))
    far, turned = misses(RIGID.way_points(still), np.tile(foreseen.pose, (4, 1)))
    assert far.max() < 1.0 and turned.max() < 0.5


def test_a_future_of_nothing_that_was_there_is_not_trusted() -> None:
    """Whatever a generator made up moved the arm as surely as what it had been trained to show."""
    foreseen, _ = truth()
    noise = np.random.default_rng(0).integers(0, 255, foreseen.future.shape, dtype=np.uint8)
    assert RIGID.way_points(replace(foreseen, future=noise)).trust.max() < 0.5


def test_depth_that_is_missing_is_named() -> None:
    """Pixels without depth were points at the camera."""
    foreseen, _ = truth()
    bare = {"proprioception": foreseen.scenes.channels["proprioception"]}
    with pytest.raises(ContractError, match=r"scenes\.depth"):
        RIGID.way_points(replace(foreseen, scenes=Scenes(foreseen.scenes.images, bare)))
