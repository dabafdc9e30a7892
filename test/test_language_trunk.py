"""Experts that are published language models: what they say is what the library says, whatever they are wired to."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_policy import observation
from tiny import INSTRUCTIONS, WORDS, tiny_checkpoint, tiny_preset

from wam_core.errors import ContractError
from wam_core.model.experts.decoder import DECODERS, Decoder
from wam_core.model.groups import TokenGroup
from wam_core.model.modalities import TokenShape
from wam_core.model.trunk import ExpertSize, Stream, Trunk, TrunkSize
from wam_core.model.wam import ModelSpec, WorldActionModel
from wam_core.policy import Policy
from wam_core.presets import model_spec
from wam_core.pretrained.language import decoder_of, load_words
from wam_core.training.checkpoint import load_checkpoint, save_checkpoint

SIZE = TrunkSize(layers=2, heads=4, head_dim=8, text_dim=24, time_dim=16)
STILL = torch.zeros(1)


def saved(family: str, folder: Path) -> str:
    """A published language model with two heads of keys, and weights far from those it began with."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "intermediate_size": 48, "head_dim": 8, "vocab_size": 16}
    depth = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = AutoConfig.for_model(family, **sizes, **depth, pad_token_id=0)
    model = AutoModel.from_config(config)
    for parameter in model.parameters():
        parameter.data.normal_(0.0, 0.3)
    model.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1, **{w: i + 2 for i, w in enumerate(WORDS)}}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", unk_token="<unk>").save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("family", DECODERS)
def test_read_causally_it_is_the_published_model(family: str, tmp_path: Path) -> None:
    """Another rotary embedding, norm or sharing of heads was a model that nobody had trained."""
    from transformers import AutoModel

    folder = saved(family, tmp_path)
    published = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    trunk = Trunk({"language": Decoder(ExpertSize(24, 48, family, folder), SIZE)}, SIZE).eval()
    expert, words = trunk.expert("language"), load_words(folder, 7)
    embedded = words(torch.randint(2, 12, (3, 12), generator=torch.Generator().manual_seed(1)))
    with torch.no_grad():
        expected = published(inputs_embeds=embedded).last_hidden_state
        read, written = embedded[:, :7], embedded[:, 7:]
        # The instruction is read in two parts, as a prompt and what the robot measures of itself are.
        text = expert.text_cache(read[:, 4:], expert.text_cache(read[:, :4]))
        cos, sin = expert.tables(torch.zeros(5, 1), 7)
        causal = torch.ones(5, 5, dtype=torch.bool).tril()
        stream = Stream("language", ("written",), written, expert.time(STILL), cos, sin, causal)
        made, _ = trunk({"written": stream}, {"language": text}, {})
    assert (made["written"] - expected[:, 7:]).abs().max() < 1e-5
    assert torch.isfinite(expected).all() and expected.std() > 0.1


def spec(weights: str, **changes: object) -> ModelSpec:
    groups = (
        TokenGroup("seen", "picture", "present", "observed", "language", ("seen",)),
        TokenGroup("action", "action", "future", "generated", "language", ("seen", "action"), "regression"),
    )
    shapes = {"picture": TokenShape(1, 0, (2, 2), 6), "action": TokenShape(0, 5, (), 3)}
    size = ExpertSize(**{"width": 24, "ffn": 48, "kind": "qwen3", "weights": weights, **changes})  # type: ignore[arg-type]
    return ModelSpec(groups, {"language": size}, SIZE, shapes, 7, WORDS, 6)


def test_full_attention_lets_an_action_see_its_own_later_steps(tmp_path: Path) -> None:
    """The library's causal mask came with its layers, and early steps of a chunk never knew the later ones."""
    torch.manual_seed(0)
    model = WorldActionModel(spec(saved("qwen3", tmp_path))).eval()
    chunk = torch.randn(1, 5, 3, requires_grad=True)
    shown = {"seen": torch.randn(1, 4, 6), "action": chunk}
    context = model.context(model.text.tokenize("reach the ball")[None], torch.zeros(1, 7))
    heads, _ = model.run(shown, dict.fromkeys(shown, STILL), model.text_cache(shown, context), {})
    gradient = torch.autograd.grad(heads["action"][0, 0].sum(), chunk)[0]
    assert bool((gradient[0].abs().sum(dim=1) > 0).all())


def test_the_words_are_those_of_the_published_model(tmp_path: Path) -> None:
    """A language model was given word numbers of our own, which mean other words to it."""
    folder = saved("qwen3", tmp_path)
    model = WorldActionModel(spec(folder))
    ids = model.text.tokenize("push the blue block")
    assert ids.tolist() == [WORDS.index(w) + 2 for w in ("push", "the", "blue", "block")] + [0, 0]
    assert torch.equal(model.text(ids[None]), load_words(folder, 6)(ids[None]))
    assert not any(p.requires_grad for p in model.text.parameters())
    with pytest.raises(ContractError, match="at most 6 tokens"):
        model.text.tokenize("push the blue block to the green zone")
    with pytest.raises(ContractError, match="a task in words"):
        model.text.tokenize(" ")


def test_a_noise_level_is_taken_by_layers_that_begin_as_published() -> None:
    """Noise levels went into the published layers with random weights, or never arrived."""
    expert = Decoder(ExpertSize(24, 48, "llama"), SIZE)
    assert all(float(layer[0].detach().abs().max()) == 0.0 for layer in expert.time(torch.ones(1)).layers)
    sum(layer[0].sum() for layer in expert.time(torch.ones(1)).layers).backward()  # type: ignore[union-attr]
    assert expert.time_rates.grad is not None and bool((expert.time_rates.grad != 0).all())


def test_sizes_that_are_not_those_of_the_weights_are_named(tmp_path: Path) -> None:
    """Layers of another width failed inside a product of matrices; those of another family ran."""
    folder = saved("qwen2", tmp_path)
    for wrong in ({"width": 32}, {"ffn": 64}, {"kind": "qwen3"}):
        with pytest.raises(ContractError, match=r"expert\.weights"):
            decoder_of(ExpertSize(**{"width": 24, "ffn": 48, "kind": "qwen2", "weights": folder, **wrong}), SIZE)  # type: ignore[arg-type]
    with pytest.raises(ContractError, match=r"expert.*nowhere"):
        decoder_of(ExpertSize(24, 48, "qwen2", str(tmp_path / "nowhere")), SIZE)
    with pytest.raises(ContractError, match=r"experts\.language\.kind.*did you mean 'qwen3'"):
        WorldActionModel(spec("", kind="qwen4"))


def test_the_library_is_read_by_those_who_name_a_language_model() -> None:
    """Every node paid seconds and a dependency for a model that it did not run."""
    code = "import sys, wam_core.policy, wam_core.cli.main; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_preset_that_names_published_weights_acts_on_the_words_of_that_model(tmp_path: Path) -> None:
    """Only random layers had ever been put in a preset: the words of a real one did not reach its sequence."""
    folder, preset = saved("gemma", tmp_path / "published"), tiny_preset("palm")
    named = replace(preset.experts["language"], kind="gemma", width=24, ffn=48, weights=folder)
    size = replace(preset.trunk, layers=2, heads=4, head_dim=8, text_dim=24)
    preset = replace(preset, experts={**preset.experts, "language": named}, trunk=size)
    checkpoint = replace(tiny_checkpoint("palm"), preset=preset)
    checkpoint = replace(checkpoint, model=WorldActionModel(model_spec(preset, checkpoint.robot, WORDS)).eval())
    save_checkpoint(tmp_path / "checkpoint", checkpoint)
    policy = Policy(load_checkpoint(tmp_path / "checkpoint"), seed=0)
    first, other = (policy.act(observation(instruction=said)).values for said in INSTRUCTIONS)
    assert not np.array_equal(first, other)
    with pytest.raises(ContractError, match=r"trunk\.text_dim.*24"):
        WorldActionModel(model_spec(replace(preset, trunk=replace(size, text_dim=16)), checkpoint.robot, WORDS))
