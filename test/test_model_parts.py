"""The parts of the model: flow matching, patches, text, the video VAE."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import WORDS, tiny_model
from torch.nn import functional as F

from wam_core.errors import ContractError
from wam_core.model import flow
from wam_core.model.generators.bins import BINS, HIDDEN, from_bins
from wam_core.model.generators.flow_matching import LEAST_SIGMA
from wam_core.model.generators.table import GENERATORS
from wam_core.model.modalities import CodeEmbedding, FieldModality, TokenShape
from wam_core.model.text import TextEncoder
from wam_core.model.wam import WorldActionModel
from wam_core.substrates.patches import patchify, unpatchify
from wam_core.substrates.video_vae import VaeSize, VideoVae


@given(st.floats(1.0, 10.0), st.integers(1, 50))
def test_noise_levels_fall_from_one_to_zero(shift: float, steps: int) -> None:
    """A shifted schedule that did not end at 0 left noise in the chunk."""
    levels = flow.step_levels(steps, shift)
    assert levels[0] == 1 and levels[-1] == 0 and len(levels) == steps + 1
    assert bool((levels.diff() < 0).all())


@pytest.mark.parametrize("generator", ["flow_matching", "clean_flow_matching"])
@given(st.integers(0, 1000), st.integers(1, 12), st.floats(1.0, 8.0))
def test_euler_steps_follow_the_straight_path_exactly(generator: str, seed: int, steps: int, shift: float) -> None:
    """The sign of the velocity was flipped, and sampling ran away from the data."""
    rng = torch.Generator().manual_seed(seed)
    data, noise = torch.randn(1, 3, 2, generator=rng), torch.randn(1, 3, 2, generator=rng)
    maker = GENERATORS[generator]
    x, levels = maker.start(noise), maker.levels(steps, shift)
    for now, following in zip(levels[:-1], levels[1:], strict=True):
        shown, target, _ = maker.show(data, noise, now[None])
        assert torch.allclose(x, shown, atol=1e-5)
        x = maker.advance(x, target, float(now), float(following))
    assert torch.allclose(x, data, atol=1e-5)


@given(st.floats(LEAST_SIGMA, 1.0), st.integers(0, 1000))
def test_a_clean_prediction_is_weighted_as_its_velocity(sigma: float, seed: int) -> None:
    """An unweighted clean prediction hardly trains the last, precise steps."""
    rng = torch.Generator().manual_seed(seed)
    data, noise, guess = (torch.randn(1, 3, 2, generator=rng) for _ in range(3))
    level = torch.tensor([sigma])
    shown, target, weight = GENERATORS["clean_flow_matching"].show(data, noise, level)
    velocity = (shown - guess) / sigma
    assert torch.allclose(weight * (guess - target).square().mean(), (velocity - (noise - data)).square().mean())


def test_bell_weight_averages_one() -> None:
    """The weighting silently rescaled the learning rate."""
    assert abs(float(flow.bell_weight(torch.linspace(0, 1, 10001)).mean()) - 1) < 1e-3


@given(st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 2, 4]))
def test_patches_come_back(channels: int, frames: int, patch: int) -> None:
    """Rows and columns were swapped between cutting and joining patches."""
    video = torch.arange(2 * channels * frames * 8 * 4.0).reshape(2, channels, frames, 8, 4)
    assert torch.equal(unpatchify(patchify(video, patch), patch, (channels, 8, 4)), video)


def test_equal_patches_are_told_apart_by_place_not_by_frame() -> None:
    """The places of a frame's patches were added across frames, so that the same corner had another place in each."""
    modality = FieldModality(TokenShape(1, 3, (2, 4), 8, 2), width=16, outputs=8)
    torch.nn.init.normal_(modality.places)
    first, second, _ = modality.embed(torch.ones(1, 3 * 8, 8), "future").unflatten(1, (3, 8))[0]
    assert torch.equal(first, second)
    assert len(first.unique(dim=0)) == 8


def test_words_the_model_never_saw_are_named() -> None:
    """An unknown colour was read as padding, and the arm went for another object."""
    encoder = TextEncoder(WORDS, 6, 16)
    with pytest.raises(ContractError, match="purple.*ball, block, blue"):
        encoder.tokenize("reach the purple ball")
    with pytest.raises(ContractError, match="1 to 6 words"):
        encoder.tokenize("")
    with pytest.raises(ContractError, match="1 to 6 words"):
        encoder.tokenize("push the red block to the blue zone")


def test_word_order_matters() -> None:
    """"Red block to blue zone" and "blue block to red zone" were the same bag of words."""
    encoder = TextEncoder(WORDS, 8, 16).eval()
    texts = ("push red block to blue zone", "push blue block to red zone")
    ids = torch.stack([encoder.tokenize(t) for t in texts])
    encoded = encoder(ids)
    assert (encoded[0].sum(0) - encoded[1].sum(0)).abs().max() > 1e-3
    assert bool((encoded[:, 6:] == 0).all())


def test_first_latent_knows_only_the_first_frame() -> None:
    """A VAE that is not causal lets the observed latent contain the future it should predict."""
    torch.manual_seed(0)
    vae = VideoVae(VaeSize(4, 8)).eval()
    video = torch.rand(1, 3, 5, 16, 16)
    changed = torch.cat((video[:, :, :1], torch.rand(1, 3, 4, 16, 16)), dim=2)
    with torch.no_grad():
        one, alone, other = vae.encode(video), vae.encode(video[:, :, :1]), vae.encode(changed)
    assert torch.allclose(one[:, :, :1], alone, atol=1e-6) and torch.equal(one[:, :, 0], other[:, :, 0])
    assert not torch.allclose(one[:, :, 1], other[:, :, 1])
    assert vae.decode(one).shape == video.shape
    with pytest.raises(ContractError, match="T % 4 == 1"):
        vae.encode(video[:, :, :4])


def test_grouped_attention_equals_one_masked_attention() -> None:
    """Attention by groups concatenated keys in another order than their values."""
    model = tiny_model("fast_wam")
    block, size = model.trunk.mixtures["video"].blocks[0], model.trunk.size
    counts = {"first_frame": 3, "future": 4, "action": 2}
    sees = {n: model.wiring.groups[n].sees for n in counts}
    q, k, v = (
        {n: torch.randn(1, c, size.heads, size.head_dim) for n, c in counts.items()} for _ in range(3)
    )
    owner = [n for n, c in counts.items() for _ in range(c)]
    mask = torch.tensor([[key in sees[query] for key in owner] for query in owner])
    joined = (torch.cat(list(x.values()), dim=1).transpose(1, 2) for x in (q, k, v))
    reference = F.scaled_dot_product_attention(*joined, attn_mask=mask).transpose(1, 2).flatten(-2)
    begin = 0
    for name, count in counts.items():
        keys, values = (torch.cat([x[s] for s in sees[name]], dim=1) for x in (k, v))
        own = block.self_attn.attend(q[name], keys, values)
        assert torch.allclose(own, block.self_attn.o(reference[:, begin : begin + count]), atol=1e-5)
        begin += count


def test_codes_that_are_numbered_side_by_side_have_nothing_in_common() -> None:
    """Code 7 was shown to the model as almost code 8, though their pictures are not alike."""
    torch.manual_seed(0)
    embedding = CodeEmbedding(2, 16)
    codes = torch.tensor([[0, 63], [7, 20], [8, 20]])
    tokens = embedding(from_bins(codes).float())
    assert torch.allclose(tokens, embedding.codes[0, codes[:, 0]] + embedding.codes[1, codes[:, 1]], atol=1e-4)
    hidden = embedding(torch.full((1, 2), HIDDEN))
    assert torch.equal(hidden[0], embedding.codes[:, BINS].sum(dim=0))
    x = torch.tensor([[0.3, -0.2]], requires_grad=True)
    embedding(x).square().sum().backward()
    assert x.grad is not None and bool((x.grad != 0).all())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"generator": "next_token", "order": "together"}, "order"),
        ({"generator": "next_token", "order": "raster", "steps": 4}, "steps"),
        ({"generator": "next_token", "order": "causal", "steps": 3}, "steps"),
        ({"generator": "clean_flow_matching"}, "generator"),
    ],
)
def test_a_generator_that_does_not_fit_its_group_is_refused(changes: dict[str, object], field: str) -> None:
    """WorldVLA's chunk was trained on next tokens without an order: each step was shown itself and copied it."""
    spec = tiny_model("cot_vla").spec
    plain = {"generator": "parallel_tokens", "order": "together", **changes}
    groups = tuple(replace(g, **plain) if g.name == "future" else g for g in spec.groups)  # type: ignore[arg-type]
    with pytest.raises(ContractError, match=rf"groups\.future\.{field}"):
        WorldActionModel(replace(spec, groups=groups))
