"""What distinguishes systems whose chunk is read off a predicted future. Taken out of its preset, its test here
fails."""

from dataclasses import replace

import numpy as np
import torch
from recovered import misses, truth
from tiny import tiny_frames, tiny_preset

from wam_core.model.wam import WorldActionModel
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
