"""What distinguishes systems by what is learned together, and at which noise. Taken out of its preset, its test here
fails."""

from dataclasses import replace

import pytest
import torch
from test_anatomy import sampled
from test_mechanisms import future_of
from tiny import tiny_frames, tiny_model, tiny_preset

from wam_core.model.groups import Wiring
from wam_core.model.wam import WorldActionModel
from wam_core.preset import ACTION
from wam_core.presets import build_substrates, load_preset, model_spec
from wam_core.training.batches import make_batches, statistics_of, vocabulary_of
from wam_core.training.trainer import start, train_step


def trained_at(name: str) -> dict[str, torch.Tensor]:
    """Noise levels that 64 samples of each generated group are shown at in one update."""
    model, rng = tiny_model(name), torch.Generator().manual_seed(0)
    clean = {g.content: torch.randn(64, *model.shape_of(n), generator=rng) for n, g in model.wiring.groups.items()}
    seen: dict[str, torch.Tensor] = {}
    run = model.run

    def watched(features, sigmas, text, cache):  # type: ignore[no-untyped-def]
        seen.update({n: sigma for n, sigma in sigmas.items() if model.wiring.groups[n].generator})
        return run(features, sigmas, text, cache)

    model.run = watched  # type: ignore[method-assign]
    model.losses(clean, torch.randn(64, 13, model.spec.trunk.text_dim, generator=rng), rng)
    return seen


def test_uwm_learns_at_noise_levels_that_have_nothing_to_do_with_each_other() -> None:
    """UWM: by its two noise levels one model is policy, video model, forward and inverse dynamics."""
    levels = trained_at("uwm")
    both = torch.stack([levels[ACTION], levels["future"]])
    assert abs(float(torch.corrcoef(both)[0, 1])) < 0.5
    chunks = [sampled("uwm", (ACTION,), given=future_of("uwm", v))[ACTION] for v in (-1.0, 1.0)]
    futures = [sampled("uwm", ("future",), given=future_of("uwm", v, ACTION))["future"] for v in (-1.0, 1.0)]
    assert not torch.equal(*chunks) and not torch.equal(*futures)


@pytest.mark.parametrize("name", ["pad", "dreamzero", "cosmos_policy"])
def test_what_is_denoised_at_one_level_is_learned_at_one_level(name: str) -> None:
    """PAD, DreamZero, CosmosPolicy: one time step for all that the model makes."""
    levels = list(trained_at(name).values())
    assert len(levels) > 1 and all(torch.equal(levels[0], other) for other in levels[1:])


def test_gigaworld_policy_imagines_what_its_chunk_will_do_and_acts_without_it() -> None:
    """GigaWorld-Policy: the video follows the chunk and can be left out, for no token of the chunk sees it."""
    futures = [sampled("gigaworld_policy", ("future",), given=future_of("gigaworld_policy", v, ACTION))["future"]
               for v in (-1.0, 1.0)]  # fmt: skip
    assert not torch.equal(*futures)
    chunks = [sampled("gigaworld_policy", (ACTION,), given=future_of("gigaworld_policy", v))[ACTION]
              for v in (-1.0, 1.0)]  # fmt: skip
    assert torch.equal(*chunks)
    assert "future" not in Wiring(load_preset("gigaworld_policy").groups).needed([ACTION])


def test_without_co_training_no_weight_learns_from_the_future() -> None:
    """Fast-WAM's control: the wiring is there, and what only the video's error would move stays as it is."""
    frames, moved = tiny_frames(), {}
    for name in ("fast_wam", "fast_wam_no_cotrain"):
        preset = tiny_preset(name)
        substrates, statistics = build_substrates(preset, frames.robot), statistics_of(preset, frames)
        torch.manual_seed(0)
        model = WorldActionModel(model_spec(preset, frames.robot, vocabulary_of(frames)))
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        data = make_batches(preset, frames, substrates, model.text, statistics)
        settings = replace(preset.training, batch=8, warmup=1, weight_decay=0.0)
        train_step(start(model, settings), settings, data, seed=0)
        moved[name] = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    videos_alone = moved["fast_wam"] - moved["fast_wam_no_cotrain"]
    assert any(n.startswith("modalities.video") for n in videos_alone)
    assert any(n.startswith("modalities.action") for n in moved["fast_wam_no_cotrain"])
