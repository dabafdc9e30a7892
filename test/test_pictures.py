"""Every kind of future as something that a person can look at, and over the wire as it was."""

import numpy as np
import pytest
from test_substrates import CLIP, LAYOUT, ROWS, built, moving
from tiny import TINY, tiny_checkpoint, tiny_senses

from wam_core.contract import Future, Observation
from wam_core.data.predictions import predicted_future
from wam_core.errors import ContractError
from wam_core.policy import Policy
from wam_core.presets import preset_names
from wam_core.robot.robot_file import load_robot
from wam_core.substrates.table import SUBSTRATES
from wam_core.viewing.pictures import OF_NO_CAMERA, PICTURES, as_pictures, parts
from wam_ros.conversion import future_message

ROBOT = load_robot("panda_cell")


def future(kind: str) -> Future:
    substrate, present = built(kind), TINY[kind].shape(CLIP).tokens("present")
    features = substrate.encode(moving(2), ROWS)
    values = substrate.decode(features[:, :present], features[:, present:])[0]
    return Future(10**9, TINY[kind].shows, 4 * 10**8, values, LAYOUT.regions, 3)


@pytest.mark.parametrize("kind", SUBSTRATES)
def test_every_kind_says_what_it_shows_before_it_is_built(kind: str) -> None:
    """A display had to load the weights of an encoder to know what would be shown."""
    assert SUBSTRATES[kind].shows in PICTURES


@pytest.mark.parametrize("kind", TINY)
def test_every_substrate_is_drawn_where_its_cameras_are(kind: str) -> None:
    """A future that was no video was published, and nobody could see it."""
    drawn = as_pictures(future(kind))
    assert drawn.values.shape[-1] == 3 and drawn.values.dtype == np.uint8
    if TINY[kind].shows in OF_NO_CAMERA:
        assert not drawn.regions, "half of a bar would be shown as a camera's"
    else:
        assert drawn.values.shape[2] == 64 and drawn.values.shape[1] % 32 == 0
        assert drawn.regions == LAYOUT.regions
    assert float(drawn.values.std()) > 2.0, "nothing to see"


@pytest.mark.parametrize("kind", TINY)
def test_each_layer_is_shown_where_its_cameras_are(kind: str) -> None:
    """Depth and normals stood below the picture, where no camera is, and no display of a camera showed them."""
    whole = future(kind)
    for part in parts(whole):
        drawn = as_pictures(part)
        assert drawn.values.shape[1:] == (32, 64, 3) or part.substrate in OF_NO_CAMERA
    if "rgbdn" in whole.substrate:
        video, depth, normals = parts(whole)
        assert (video.substrate, depth.substrate, normals.substrate) == ("video", "depth", "normals")
        assert np.array_equal(depth.values, whole.values[..., 3]) and video.values.dtype == np.uint8


@pytest.mark.parametrize("kind", TINY)
def test_a_future_is_sent_as_it_is_with_pictures_beside_it(kind: str) -> None:
    """Flow and features were cut to bytes on the way, and what arrived was no flow."""
    sent = future(kind)
    message = future_message(ROBOT, sent, "tiny")
    assert np.array_equal(predicted_future(message).values, sent.values)
    assert len(message.frames) == len(sent.values) and message.frames[0].encoding == "rgb8"
    assert len(message.tensor.axes) == len(message.tensor.shape)


def test_right_and_left_have_colours_of_their_own() -> None:
    """Flow was drawn by its length alone."""
    right, left = (np.full((1, 4, 4, 2), (x, 0.0), np.float32) for x in (8.0, -8.0))
    red, cyan = (PICTURES["flow"](flow)[0, 0, 0].tolist() for flow in (right, left))
    assert red[0] > 200 > red[1] and cyan[0] < 50 < cyan[1]


def test_an_unknown_kind_lists_the_known_ones() -> None:
    """A robot's graph died of a future that one of its nodes could not draw."""
    with pytest.raises(ContractError, match="heatmap"):
        as_pictures(Future(0, "smell", 1, np.zeros((1, 2, 2))))


@pytest.mark.parametrize("name", preset_names())
def test_what_every_preset_imagines_is_due_within_its_horizon(name: str) -> None:
    """The one picture of the end of the horizon was shown as that of its first quarter."""
    policy = Policy(tiny_checkpoint(name), seed=0)
    images = {c: np.full((128, 128, 3), 100, np.uint8) for c in ("front", "wrist")}
    sensed = tiny_senses(ROBOT, policy.senses)
    policy.act(Observation(0, images, np.zeros(7), "reach the red ball", senses=sensed))
    for imagined in policy.imagine():
        assert len(imagined.values) * imagined.step_ns == policy.horizon * ROBOT.step_ns
        assert as_pictures(imagined).values.dtype == np.uint8


def test_layers_are_below_the_picture_and_motion_is_seen_where_it_is() -> None:
    """Depth was drawn over the picture; what stood still was as bright as what moved."""
    layers = np.zeros((1, 32, 64, 7), np.float32)
    layers[..., 0], layers[..., 3], layers[:, :, 32:, 3], layers[..., 6] = 1.0, 0.5, np.inf, -1.0
    drawn = as_pictures(Future(0, "rgbdn", 1, layers, LAYOUT.regions)).values[0]
    assert drawn.shape == (96, 64, 3) and np.all(drawn[:32] == (255, 0, 0))
    assert drawn[32:64, :32].any() and not drawn[32:64, 32:].any() and np.all(drawn[64:, :, 2] == 0)
    flow = np.zeros((1, 32, 64, 4), np.float32)
    flow[:, :, 32:, 3], flow[:, :16, 32:, 1] = 1.0, 0.15
    still, moved, unknown = (PICTURES["scene_flow"](flow)[0, y, x].tolist() for y, x in ((20, 40), (4, 40), (4, 4)))
    assert still == [127, 127, 127] and moved == [127, 255, 127] and unknown == [0, 0, 0]
    tracks = np.zeros((1, 32, 64, 3), np.float32)
    tracks[:, 2, 2], tracks[:, 6, 6] = (20.0, 0.0, 1.0), (20.0, 0.0, 0.0)
    line = PICTURES["tracks"](tracks)[0]
    assert line[2, 12].tolist() == [60, 230, 60] and line[6, 16].tolist() == [200, 40, 40]
