"""Training: losses fall, an interrupted run goes on bit-equal, checkpoints come back whole or not at all."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import tiny_checkpoint, tiny_frames, tiny_model, tiny_preset

from wam_core.errors import ContractError
from wam_core.model.wam import WorldActionModel
from wam_core.presets import build_substrates, model_spec, preset_names
from wam_core.training.batches import Batches, make_batches, statistics_of, vocabulary_of
from wam_core.training.checkpoint import FILES, load_checkpoint, save_checkpoint
from wam_core.training.trainer import load_state, save_state, start, train_step, validate
from wam_core.training.video_vae import train_vae

torch.set_num_threads(1)


def batches(name: str) -> tuple[WorldActionModel, Batches]:
    preset, frames = tiny_preset(name), tiny_frames()
    torch.manual_seed(0)
    model = WorldActionModel(model_spec(preset, frames.robot, vocabulary_of(frames)))
    substrates = build_substrates(preset, frames.robot)
    return model, make_batches(preset, frames, substrates, model.text, statistics_of(preset, frames))


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_learns(name: str) -> None:
    """A preset built, ran, and its loss did not move: a part was left out of the graph."""
    model, data = batches(name)
    settings = replace(tiny_preset(name).training, steps=40, batch=16, warmup=2, learning_rate=3e-3, ema=0.9)
    state = start(model, settings)
    before = validate(state, data, seed=1, batch=16)
    for _ in range(40):
        train_step(state, settings, data, seed=0)
    after = validate(state, data, seed=1, batch=16)
    weights = {n: g.loss_weight for n, g in model.wiring.groups.items()}
    assert all(after[n] < 0.95 * before[n] for n in before if weights[n])


def test_a_loss_that_is_off_trains_nothing() -> None:
    """The control without co-training learned video after all."""
    model, data = batches("fast_wam_no_cotrain")
    head = model.modalities["video"].out.weight.detach().clone()
    settings = replace(tiny_preset("fast_wam_no_cotrain").training, batch=8, weight_decay=0.0)
    train_step(start(model, settings), settings, data, seed=0)
    assert torch.equal(model.modalities["video"].out.weight, head)


def test_an_interrupted_run_is_bit_equal_to_an_unbroken_one(tmp_path: Path) -> None:
    """Resuming drew other random numbers, so that no run could be repeated."""
    settings = replace(tiny_preset("fast_wam").training, steps=8, batch=8, warmup=2)
    model, data = batches("fast_wam")
    unbroken = start(model, settings)
    for _ in range(8):
        train_step(unbroken, settings, data, seed=3)
    first = start(batches("fast_wam")[0], settings)
    for _ in range(5):
        train_step(first, settings, data, seed=3)
    save_state(first, tmp_path / "state.pt")
    second = start(tiny_or_other_weights(), settings)
    load_state(second, tmp_path / "state.pt")
    while second.step < 8:
        train_step(second, settings, data, seed=3)
    for key, value in unbroken.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key
    for key, value in unbroken.average.items():
        assert torch.equal(value, second.average[key]), key


def tiny_or_other_weights() -> WorldActionModel:
    model, _ = batches("fast_wam")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    return model


def test_vae_learns_and_its_latents_are_normalised() -> None:
    """Latents of any scale met noise of scale one, and flow matching learned nothing."""
    frames, losses = tiny_frames(), []
    preset = tiny_preset("fast_wam")
    substrates = build_substrates(preset, frames.robot)
    video = substrates["video"]
    windows = frames.windows(preset.horizon, preset.frame_stride)
    video.vae = train_vae(video.spec.vae, frames, windows, 60, 0, lambda step, loss: losses.append(loss))
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    data = make_batches(preset, frames, substrates, batches("fast_wam")[0].text, statistics_of(preset, frames))
    video = torch.cat([v.float() for k, v in data.features.items() if k[0] == "video"], dim=1)
    assert abs(float(video.mean())) < 0.2 and abs(float(video.std()) - 1) < 0.2


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    """What was saved and what was loaded were different models."""
    saved = tiny_checkpoint()
    save_checkpoint(tmp_path, saved)
    loaded = load_checkpoint(tmp_path)
    assert loaded.preset == saved.preset and loaded.robot.to_dict() == saved.robot.to_dict()
    assert (loaded.first_frame == saved.first_frame).all()
    for key, value in saved.model.state_dict().items():
        assert torch.allclose(loaded.model.state_dict()[key].float(), value.float(), rtol=2**-7), key


@pytest.mark.parametrize("name", [*FILES, "video.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    """Half a checkpoint was loaded, the rest stayed random."""
    save_checkpoint(tmp_path, tiny_checkpoint())
    (tmp_path / name).unlink()
    with pytest.raises(ContractError, match=name):
        load_checkpoint(tmp_path)


def test_corrupt_and_foreign_weights_are_refused(tmp_path: Path) -> None:
    """A truncated file or another model's weights gave an arm that moved at random."""
    save_checkpoint(tmp_path, tiny_checkpoint())
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ContractError, match="readable safetensors"):
        load_checkpoint(tmp_path)
    save_checkpoint(tmp_path / "other", tiny_checkpoint("fast_wam"))
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "other" / "video.safetensors").read_bytes())
    with pytest.raises(ContractError, match="missing"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["preset.yaml", "robot.yaml", "training.json", "statistics.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"{}", b"\xff\xfe", b'{"action": null, "name": 7}'])
def test_a_malformed_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    """A parser's own error got past everybody who waits for a ContractError and ended the inference process."""
    save_checkpoint(tmp_path, tiny_checkpoint())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ContractError, match=name.partition(".")[0]):
        load_checkpoint(tmp_path)


def test_tiny_model_is_deterministic() -> None:
    """Building the same seed twice gave two models, so no figure could be repeated."""
    one, two = tiny_model("fast_wam", 5).state_dict(), tiny_model("fast_wam", 5).state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)
