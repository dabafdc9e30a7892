"""Fine-tuning: what is frozen stays bit-equal, adapters merge into the plain model, and new recordings are learned."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import tiny_checkpoint, tiny_frames

from wam_core.errors import ContractError
from wam_core.training.batches import Batches, make_batches
from wam_core.training.beginning import Beginning, go_on
from wam_core.training.checkpoint import load_checkpoint, save_checkpoint
from wam_core.training.fine_tuning import add_adapters, freeze, merged, trained_numbers
from wam_core.training.trainer import load_state, save_state, start, train_step, validate

torch.set_num_threads(1)


def beginning() -> tuple[Beginning, Batches]:
    checkpoint, frames = tiny_checkpoint(), tiny_frames(seed=5)
    begun = go_on(checkpoint, frames)
    return begun, make_batches(begun.preset, frames, begun.substrates, begun.model.text, begun.statistics)


def tuned(begun: Beginning, data: Batches, steps: int):  # type: ignore[no-untyped-def]
    settings = replace(begun.preset.training, steps=steps, batch=8, warmup=2, learning_rate=6e-3, ema=0.5)
    state = start(begun.model, settings)
    for _ in range(steps):
        train_step(state, settings, data, seed=0)
    return state


@pytest.mark.parametrize("rank", [0, 4], ids=["whole", "adapters"])
def test_new_recordings_are_learned(rank: int) -> None:
    """Adapters were put in place and never trained: the optimiser had been given the frozen matrices."""
    begun, data = beginning()
    if rank:
        add_adapters(begun.model, rank)
    before = validate(start(begun.model, begun.preset.training), data, seed=1, batch=16)
    after = validate(tuned(begun, data, 15), data, seed=1, batch=16)
    assert after["action"] < 0.95 * before["action"]


def test_frozen_parts_stay_bit_equal() -> None:
    """Weight decay shrank the frozen expert a little in every step."""
    begun, data = beginning()
    model = begun.model
    first = {k: v.clone() for k, v in model.state_dict().items()}
    freeze(model, ["trunk.mixtures.video", "text"])
    state = tuned(begun, data, 3)
    for key, value in model.state_dict().items():
        frozen = key.startswith(("trunk.mixtures.video.", "text."))
        if frozen:
            assert torch.equal(value, first[key]) and torch.equal(state.average[key], first[key]), key
    assert not torch.equal(model.state_dict()["modalities.action.out.weight"], first["modalities.action.out.weight"])
    with pytest.raises(ContractError, match=r"freeze: got 'trunk.mixtures.vidoe'.*trunk.mixtures.video"):
        freeze(model, ["trunk.mixtures.vidoe"])
    with pytest.raises(ContractError, match="something left to train"):
        freeze(model, ["trunk", "text", "modalities", "proprio_encoder"])


def test_adapters_merge_into_the_plain_model(tmp_path: Path) -> None:
    """The saved checkpoint was the model before fine-tuning: adapters had been left out of it."""
    begun, data = beginning()
    plain = tiny_checkpoint()
    add_adapters(begun.model, 4)
    trained, numbers = trained_numbers(begun.model)
    assert 0 < trained < numbers / 2
    first = merged(begun.model.state_dict())
    assert all(torch.equal(first[k], v) for k, v in plain.model.state_dict().items())
    tuned(begun, data, 5)
    after = merged(begun.model.state_dict())
    assert after.keys() == first.keys()
    changed = {k for k in after if not torch.equal(after[k], first[k])}
    assert any(".ffn.0.weight" in k for k in changed) and any("self_attn.q.weight" in k for k in changed)
    assert not any("norm" in k or k.endswith(("q.bias", "ffn.0.bias")) for k in changed)
    plain.model.load_state_dict(after)
    features = {k: v[:2].float() for k, v in data.features.items()}
    context = begun.model.context(data.words[:2], data.proprioception[:2])
    losses = [
        m.losses(features, context, torch.Generator().manual_seed(0))["action"].detach()
        for m in (begun.model.eval(), plain.model)
    ]
    assert torch.allclose(losses[0], losses[1], rtol=1e-4)
    save_checkpoint(tmp_path, replace(plain, model=plain.model))
    assert load_checkpoint(tmp_path).model.state_dict().keys() == after.keys()
    with pytest.raises(ContractError, match="rank of at least 1"):
        add_adapters(begun.model, -1)


def test_an_interrupted_run_with_adapters_is_bit_equal(tmp_path: Path) -> None:
    """Resuming drew new adapters at random and went on from there."""
    settings = replace(tiny_checkpoint().preset.training, steps=6, batch=8, warmup=2)

    def fresh():  # type: ignore[no-untyped-def]
        begun, data = beginning()
        torch.manual_seed(0)
        add_adapters(begun.model, 2)
        return start(begun.model, settings), data

    unbroken, data = fresh()
    for _ in range(6):
        train_step(unbroken, settings, data, seed=3)
    broken, data = fresh()
    for _ in range(3):
        train_step(broken, settings, data, seed=3)
    save_state(broken, tmp_path / "state.pt")
    resumed, data = fresh()
    load_state(resumed, tmp_path / "state.pt")
    for _ in range(3):
        train_step(resumed, settings, data, seed=3)
    pairs = (unbroken.model.state_dict(), resumed.model.state_dict())
    assert all(torch.equal(pairs[0][k], pairs[1][k]) for k in pairs[0])


def test_recordings_that_do_not_belong_are_refused() -> None:
    """Another arm's recordings were mixed in; a new word was read as padding."""
    checkpoint, frames = tiny_checkpoint(), tiny_frames()
    other = replace(frames.robot, base_frame="world")
    with pytest.raises(ContractError, match=r"robot\.base_frame"):
        go_on(checkpoint, replace(frames, robot=other))
    with pytest.raises(ContractError, match="instruction: got 'purple'"):
        go_on(checkpoint, replace(frames, instructions=("reach the purple ball",) * 4))
