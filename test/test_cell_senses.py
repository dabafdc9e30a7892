"""What the cell lets a model feel, hear and know of objects: true to what happens in it, and to nothing else."""

from pathlib import Path

import mujoco
import numpy as np
import pytest

from wam_core.cell.cell import Cell
from wam_core.cell.fingertips import Skin
from wam_core.cell.sound import Microphone
from wam_core.data.episode import Episode
from wam_core.data.reader import read_episode
from wam_core.errors import ContractError
from wam_core.evaluation.demonstrations import record_demonstration
from wam_core.executor.executor import Executor
from wam_core.presets import load_preset
from wam_core.robot.robot_file import load_robot
from wam_core.robot.senses import SENSED
from wam_core.substrates.substrate import Scenes

ROBOT = load_robot("panda_cell")
ALL = [sense.name for sense in ROBOT.senses if sense.camera in ("", "front")]


@pytest.fixture(scope="module")
def cell() -> Cell:
    return Cell(ROBOT, "raycast")


def demonstrated(cell: Cell, task: str, seed: int, path: Path) -> Episode:
    record_demonstration(cell, Executor(ROBOT), task, seed, path, ["front"], ALL)
    return read_episode(path, cameras=["front"], channels=sorted(SENSED))


@pytest.fixture(scope="module")
def push(cell: Cell, tmp_path_factory: pytest.TempPathFactory) -> Episode:
    return demonstrated(cell, "push", 100_001, tmp_path_factory.mktemp("push") / "push.mcap")


def test_a_push_is_heard_and_felt_and_before_it_nothing_is(push: Episode) -> None:
    """Sound and touch came a step late, or objects that settle were heard as a knock before anything had moved."""
    loud = np.abs(push.senses["sound"]).max(axis=1)
    pressed = sum(push.senses[f"{side}_fingertip"].sum(axis=(1, 2)) for side in ("left", "right"))
    moved = np.linalg.norm(push.senses["object_pose"][:, :3] - push.senses["object_pose"][0, :3], axis=1)
    first = int(np.argmax(pressed > 0.0))
    assert first > 10 and np.all(loud[:first] == 0.0) and np.all(moved[:first] < 1e-3)
    assert loud[first] > 0.01 and loud.max() < 1.0 and moved[-1] > 0.1
    assert np.all(loud[pressed > 0.05] > 0.001)


def test_audio_wm_hears_a_contact_of_the_cell_in_its_latents(push: Episode) -> None:
    """Audio-WM: contacts are in the sound to come before they are seen or heard. Latents of a spectrogram that left out
    what is between two pictures, or its high bands, told nothing of them."""
    preset = load_preset("audio_wm")
    spec = preset.substrates["sound"]
    substrate, sound = spec.build(preset.clip), push.senses["sound"]
    scenes = Scenes(np.zeros((len(sound), 1, 1, 3), np.uint8), {"sound": sound})
    first = int(np.argmax(np.abs(sound).max(axis=1) > 0.0))
    clip = np.array([[first - 6, first - 2, first + 2, first + 6, first + 10]])
    features = substrate.encode(scenes, clip)
    assert features.shape == (1, 17, spec.shape(preset.clip).features)
    loud = features[0].abs().amax(dim=1)
    assert bool((loud[:6] == 0.0).all()) and bool((loud[6:9] > 0.3).all())
    levels = substrate.levels(sound[first - 5 : first + 11]).swapaxes(1, 2)  # type: ignore[operator]
    shown = substrate.decode(features[:, :1], features[:, 1:])[0]
    assert shown.shape == levels.shape == (16, 32, 5) and np.corrcoef(shown.ravel(), levels.ravel())[0, 1] > 0.97


def test_omni_vta_feels_a_contact_of_the_cell_in_its_latents(push: Episode) -> None:
    """OmniVTA: what the latents keep of a touch is how hard it is, at each step."""
    preset = load_preset("omni_vta")
    touch = np.stack([push.senses[f"{side}_fingertip"] for side in ("left", "right")], axis=1)
    scenes = Scenes(np.zeros((len(touch), 1, 1, 3), np.uint8), {"touch": touch})
    force = touch.sum(axis=(1, 2, 3))
    first = int(np.argmax(force > 0.0))
    features = preset.substrates["touch"].build(preset.clip).encode(scenes, first - 6 + np.arange(0, 17, 4)[None])
    strength = features[0].abs().amax(dim=1).numpy()
    felt = force[first - 5 : first + 11]
    assert not strength[:6].any() and np.array_equal(strength[1:] > 0.1, felt > 0.01)
    shown = preset.substrates["touch"].build(preset.clip).decode(features[:, :1], features[:, 1:])[0]
    assert shown.shape == (16, 16, 32) and np.abs(shown.sum(axis=(1, 2)) - felt).max() < 0.2 * felt.max()


def test_the_same_episode_sounds_and_feels_the_same(cell: Cell, push: Episode, tmp_path: Path) -> None:
    """Two recordings of one seed differed, so that nothing trained on them could be made again."""
    again = demonstrated(cell, "push", 100_001, tmp_path / "again.mcap")
    for name in ("sound", "left_fingertip", "right_fingertip", "object_pose"):
        assert np.array_equal(again.senses[name], push.senses[name]), name


def test_nothing_is_felt_where_nothing_can_be(cell: Cell, tmp_path: Path) -> None:
    """Balls that are only seen were bumped into."""
    reach = demonstrated(cell, "reach", 100_000, tmp_path / "reach.mcap")
    assert not np.any(reach.senses["sound"]) and not np.any(reach.senses["left_fingertip"])


def test_the_mask_shows_the_object_that_the_task_names(push: Episode, cell: Cell) -> None:
    """The mask was that of the other block, and the pose that of the first."""
    mask, image = push.senses["front_object"], push.images["front"].astype(int)
    word = next(w for w in ("red", "green", "blue", "yellow") if f"the {w} block" in push.instruction)
    channel = {"red": 0, "green": 1, "blue": 2, "yellow": 0}[word]
    assert mask[0].any() and not mask[0].all()
    assert image[0][mask[0]][:, channel].mean() > image[0][~mask[0]][:, channel].mean() - 40
    instruction = cell.reset("push", 100_001)
    assert instruction == push.instruction
    pose = cell.object_pose()
    assert np.allclose(pose, push.senses["object_pose"][0], atol=1e-6)
    assert np.allclose(pose[:3], cell.scene.position(cell.goal.subject))
    depth = push.senses["front_depth"][0]
    assert 0.5 < depth[mask[0]].mean() < 1.2 and np.all(depth > 0.0)


def test_what_is_made_in_every_tick_must_be_asked_for(cell: Cell) -> None:
    """A microphone that nobody had switched on recorded an hour of silence."""
    cell.attend([])
    for name in ("sound", "left_fingertip"):
        with pytest.raises(ContractError, match="told to attend"):
            cell.sense(name)
    with pytest.raises(ContractError, match="one of"):
        cell.attend(["smell"])
    cell.attend(["sound"])
    assert cell.sense("sound").shape == (800,) and not np.any(cell.sense("sound"))


def falling(height: float) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """A weight of 100 g above one finger, 2 mm across and 4 mm towards the tip from its middle."""
    model = mujoco.MjModel.from_xml_string(f"""
    <mujoco><option timestep="0.002"/><worldbody>
      <body name="panda_leftfinger" pos="0 0 0"><geom type="box" size="0.0101 0.005 0.03" pos="0 -0.005 0.036"/></body>
      <body name="panda_rightfinger" pos="1 0 0"><geom type="box" size="0.0101 0.005 0.03" pos="0 -0.005 0.036"/></body>
      <body name="weight" pos="0.002 {height} 0.040"><joint type="slide" axis="0 1 0"/>
        <geom type="sphere" size="0.005" mass="0.1"/></body>
    </worldbody></mujoco>""")
    model.opt.gravity[:] = (0.0, -9.81, 0.0)
    return model, mujoco.MjData(model)


def test_a_touch_image_shows_where_and_how_hard() -> None:
    """Rows and columns were exchanged, or a taxel's force depended on how many there are."""
    model, data = falling(0.005)
    skin = Skin(model, 0.1)
    for _ in range(500):
        mujoco.mj_step(model, data)
        skin.tick(data)
    image = skin.image("left", 16, 12)
    assert image.sum() == pytest.approx(0.981, rel=0.02) and not skin.image("right", 16, 12).any()
    row, column = np.unravel_index(np.argmax(image), image.shape)
    assert abs(row - 15 * (0.040 - 0.0229) / 0.0262) < 1.0 and abs(column - 11 * (0.002 + 0.0101) / 0.0202) < 1.0
    assert skin.image("left", 8, 8).sum() == pytest.approx(image.sum(), rel=1e-4)


def test_what_falls_from_higher_is_louder_and_dies_away() -> None:
    """Loudness followed the weight of a thing at rest, not the blow."""
    peaks = []
    for height in (0.08, 0.25):
        model, data = falling(height)
        microphone, loud = Microphone(model, 8000.0), []
        for _ in range(1000):
            mujoco.mj_step(model, data)
            microphone.tick(data)
            loud.append(float(np.abs(microphone.last(16)).max()))
        peaks.append(max(loud))
        assert max(loud[:60]) == 0.0 and max(loud[-50:]) < 0.02 * max(loud)
    assert peaks[1] > 1.3 * peaks[0]
