"""What distinguishes systems whose chunk is read off a predicted future. Taken out of its preset, its test here
fails."""

from dataclasses import replace

import numpy as np
import torch
from recovered import carried, misses, truth
from test_anatomy import sampled
from test_mechanisms import future_of
from tiny import tiny_checkpoint, tiny_frames, tiny_preset, tiny_senses

from wam_core.contract import Observation
from wam_core.model.groups import Wiring
from wam_core.model.wam import WorldActionModel
from wam_core.policy import Policy
from wam_core.presets import build_substrates, load_preset, model_spec
from wam_core.training.batches import make_batches, statistics_of, vocabulary_of


def test_avdc_learns_from_videos_without_any_action() -> None:
    """AVDC: no label of an action is read, none is kept, and no weight is there for one."""
    preset, frames = tiny_preset("avdc"), tiny_frames()
    losses = []
    for actions in (frames.actions, np.full_like(frames.actions, np.nan)):
        seen = replace(frames, actions=actions)
        torch.manual_seed(0)
        model = WorldActionModel(model_spec(preset, seen.robot, vocabulary_of(seen)))
        assert set(model.modalities) == {"pixels"}
        statistics = statistics_of(preset, seen)
        assert set(statistics) == {"proprioception"}
        data = make_batches(preset, seen, build_substrates(preset, seen.robot), model.text, statistics)
        features, words, proprioception = data.pick(torch.arange(8))
        made = model.losses(features, model.context(words, proprioception), torch.Generator().manual_seed(0))
        losses.append({name: loss.item() for name, loss in made.items()})
    assert losses[0] == losses[1] and set(losses[0]) == {"future"}


def test_avdc_moves_the_tool_as_the_flow_of_its_video_goes() -> None:
    """AVDC: flow of the generated pictures and depth of the first make the chunk, to the end of which it is executed;
    its video is given here, the true one, in the preset's own layout and pixels."""
    preset = load_preset("avdc")
    assert preset.recovery is not None and preset.replan_steps == preset.horizon
    foreseen, poses = truth(preset.layout, preset.clip.instants)
    pixels = preset.substrates["pixels"].build(preset.clip)
    video = np.concatenate([foreseen.scenes.images, foreseen.future])
    features = pixels.encode(replace(foreseen.scenes, images=video), np.arange(len(video))[None])
    present = preset.substrates["pixels"].shape(preset.clip).tokens("present")
    shown = pixels.decode(features[:, :present], features[:, present:])[0]
    far, turned = misses(preset.recovery.way_points(replace(foreseen, future=shown)), poses)
    assert np.linalg.norm(poses[-1, :3] - foreseen.pose[:3]) > 0.12
    assert far.max() < 30.0 and turned.max() < 8.0


class Videos:
    """A model whose candidates come with progress that is given."""

    def __init__(self, rises: list[float]) -> None:
        self.rises = iter(rises)
        self.made = 0

    def generate(self, outputs: tuple[str, ...], rng: torch.Generator) -> dict[str, torch.Tensor]:
        self.made += 1
        progress = torch.linspace(0.0, next(self.rises), 4)[None, :, None]
        return {"future": torch.full((1, 2, 3), float(self.made)), "progress": progress - 0.5}


def test_rigvid_rejects_videos_that_do_not_bring_the_task_forward() -> None:
    """RIGVid: a video is generated anew until the filter accepts one; if it accepts none, the arm stays."""
    planner = load_preset("rigvid").planner
    assert planner is not None
    videos = Videos([-0.4, 0.02, 0.6, 0.9])
    chosen = planner.choose(videos, "future", torch.Generator())  # type: ignore[arg-type]
    assert videos.made == 3 and bool((chosen["future"] == 3.0).all())
    assert not planner.choose(Videos([0.0] * 4), "future", torch.Generator())  # type: ignore[arg-type]
    checkpoint = tiny_checkpoint("rigvid")
    strict = replace(planner, rise=10.0)  # type: ignore[type-var]
    policy = Policy(replace(checkpoint, preset=replace(checkpoint.preset, planner=strict)), seed=0)
    state = np.array([0.5, 0.1, 0.2, 0.1, 0.0, 0.3, 0.4])
    chunk = policy.act(seen(policy, state))
    assert np.ptp(chunk.values, axis=0).max() == 0.0 and np.allclose(chunk.values[0, :3], state[:3])
    assert chunk.space == "tool_pose"


def test_rigvid_asks_of_a_video_what_was_said() -> None:
    """RIGVid: what is judged is the finished video, under the instruction."""
    wiring = Wiring(load_preset("rigvid").groups)
    assert wiring.depends("progress", "future") and not wiring.depends("future", "progress")
    scores = [sampled("rigvid", ("progress",), given=future_of("rigvid", v))["progress"] for v in (-1.0, 1.0)]
    assert not torch.equal(*scores)


def seen(policy: Policy, state: np.ndarray) -> Observation:
    images = {c: np.full((128, 128, 3), 90, np.uint8) for c in policy.cameras}
    sensed = tiny_senses(policy.checkpoint.robot, policy.senses)
    return Observation(0, images, state, "reach the red ball", senses=sensed)


def test_rigvid_moves_the_tool_as_the_object_that_it_holds() -> None:
    """RIGVid: the object's pose in the video, whatever the arm does in it, about the tool that is where it is."""
    preset = load_preset("rigvid")
    assert preset.recovery is not None and preset.replan_steps == preset.horizon
    foreseen, poses = carried(preset.layout, preset.clip.instants)
    found = preset.recovery.way_points(foreseen)
    far, _ = misses(found, poses)
    assert found.opening is None and np.linalg.norm(poses[-1, :3] - foreseen.pose[:3]) > 0.1
    assert far.max() < 30.0


def test_rigvid_takes_the_object_before_it_follows_the_video() -> None:
    """RIGVid: a video shows no grasp that a gripper could copy; the object is taken from above, then carried."""
    preset = load_preset("rigvid")
    assert preset.recovery is not None
    foreseen, _ = carried(preset.layout, preset.clip.instants)
    block = foreseen.pose[:3]
    for away, opening in (((0.1, 0.0, 0.2), [1.0, 1.0, 1.0, 1.0]), ((0.0, 0.0, 0.08), [1.0, 1.0, 0.0, 0.0])):
        state = np.concatenate([block + away, np.zeros(3), [1.0]])[None]
        channels = {**foreseen.scenes.channels, "proprioception": state}
        found = preset.recovery.way_points(replace(foreseen, scenes=replace(foreseen.scenes, channels=channels)))
        assert np.abs(found.poses[:, :2] - block[:2]).max() < 0.015 and np.allclose(found.opening, opening)
