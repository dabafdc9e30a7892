"""The VAE, the text encoder and the frozen teachers are called as their libraries document it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_published
import torch

from wam_core.errors import ContractError
from wam_core.pretrained.teacher import load_teacher
from wam_core.pretrained.text import load_text
from wam_core.pretrained.vae import load_vae

TASK = "pick up the red block"


@torch.no_grad()
def test_the_vae_gives_normalised_latents(tmp_path: Path) -> None:
    """Latents were fed to Wan without their per-channel statistics: a washed-out first frame, and no error."""
    from diffusers import AutoencoderKLWan

    tiny_published.save_vae(tmp_path / "vae")
    vae = load_vae(str(tmp_path))
    assert (vae.channels, vae.time_stride, vae.space_stride) == (4, 4, 16)
    video = torch.rand(1, 3, 5, 32, 64) * 2 - 1
    latents = vae.encode(video)
    assert latents.shape == (1, 4, 2, 2, 4)
    library = AutoencoderKLWan.from_pretrained(tmp_path / "vae").eval()
    raw = library.encode(video).latent_dist.mode()
    mean = torch.tensor([0.0, 0.1, 0.2, 0.3]).view(1, 4, 1, 1, 1)
    std = torch.tensor([1.0, 1.5, 2.0, 2.5]).view(1, 4, 1, 1, 1)
    assert torch.allclose(latents, (raw - mean) / std, atol=1e-6)
    pixels = vae.decode(latents)
    assert pixels.shape == video.shape
    assert torch.allclose(pixels, library.decode(raw).sample.clamp(-1, 1), atol=1e-5)


@torch.no_grad()
def test_the_first_latent_of_the_vae_knows_only_the_first_frame(tmp_path: Path) -> None:
    """The robot has one frame where training had nine: if they mixed, the observation would look different live."""
    tiny_published.save_vae(tmp_path)
    vae, video = load_vae(str(tmp_path)), torch.rand(1, 3, 5, 32, 32)
    assert torch.allclose(vae.encode(video)[:, :, :1], vae.encode(video[:, :, :1]), atol=1e-6)
    with pytest.raises(ContractError, match=r"T % 4 == 1 and H, W multiples of 16"):
        vae.encode(video[:, :, :4])
    with pytest.raises(ContractError, match=r"\(5, 32, 24\)"):
        vae.encode(video[..., :24])


@torch.no_grad()
def test_prompts_are_embedded_as_wan_expects(tmp_path: Path) -> None:
    """Padding kept its embedding, and a short instruction was drowned by a hundred tokens of nothing."""
    from transformers import UMT5EncoderModel

    tiny_published.save_text(tmp_path)
    text = load_text(str(tmp_path), length=24)
    embedded = text.embed(f"  {TASK}\n")
    prompt = f"A video recorded from a robot's point of view executing the following instruction: {TASK}"
    ids = torch.tensor([text.tokenizer(prompt).input_ids])
    used = ids.shape[1]
    alone = UMT5EncoderModel.from_pretrained(tmp_path / "text_encoder").eval()(ids).last_hidden_state[0]
    assert embedded.shape == (24, 16) and used == 19
    assert torch.allclose(embedded[:used], alone, atol=1e-5)
    assert bool((embedded[used:] == 0).all())
    assert text.embed(TASK) is embedded  # Computed once: at 5.7 B parameters this is most of a chunk's time.
    with pytest.raises(ContractError, match="at most 24 tokens, this has 28"):
        text.embed(" ".join([TASK, "and then", TASK, "up up"]))
    with pytest.raises(ContractError, match="instruction"):
        text.embed("  ")


@pytest.mark.parametrize(("name", "frames"), [("dinov2", 2), ("dinov3", 2), ("siglip", 2), ("vjepa2", 4)])
@torch.no_grad()
def test_teachers_are_called_as_documented(name: str, frames: int, tmp_path: Path) -> None:
    """The class token was counted as a patch, so that every feature sat one place to the right of its image."""
    import transformers

    tiny_published.save_teacher(name, tmp_path)
    teacher = load_teacher(str(tmp_path))
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 255, (2, frames, 32, 32, 3), dtype=np.uint8))
    features = teacher.features(images)
    assert features.shape == (2, 2, 4, 4, 16) and teacher.width == 16

    mean, std = ([0.5] * 3, [0.5] * 3) if name == "siglip" else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    pixels = (images.float() / 255 - torch.tensor(mean)) / torch.tensor(std)
    pixels = pixels.permute(0, 1, 4, 2, 3)
    model = (transformers.SiglipVisionModel if name == "siglip" else transformers.AutoModel).from_pretrained(tmp_path)
    if name == "vjepa2":
        expected = model.eval().get_vision_features(pixels)
    else:
        prefix = {"dinov2": 1, "dinov3": 5, "siglip": 0}[name]
        expected = model.eval()(pixel_values=pixels.flatten(0, 1)).last_hidden_state[:, prefix:]
    assert torch.allclose(features, expected.reshape(features.shape), atol=1e-4)
    assert teacher.features(torch.zeros(1, frames, 48, 80, 3, dtype=torch.uint8)).shape[2:4] == (4, 4)


def test_what_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    """Offline, a library asked a hub five times and ended in a stack trace about connections."""
    for load, field in ((load_vae, "vae"), (load_text, "text"), (load_teacher, "teacher")):
        with pytest.raises(ContractError, match=rf"^{field}: .*nothing_here"):
            load(str(tmp_path / "nothing_here"))
    tiny_published.save_text(tmp_path)
    with pytest.raises(ContractError, match=r"^teacher.model_type: got 'umt5', expected one of dinov2"):
        load_teacher(str(tmp_path / "text_encoder"))
    tiny_published.save_teacher("vjepa2", tmp_path / "vjepa2")
    with pytest.raises(ContractError, match="multiple of 2 frames"):
        load_teacher(str(tmp_path / "vjepa2")).features(torch.zeros(1, 3, 32, 32, 3, dtype=torch.uint8))


def test_the_core_does_without_the_libraries() -> None:
    """Every node of the graph took seconds and half a gigabyte for libraries that its preset never named."""
    code = (
        "import sys, wam_core.policy, wam_core.pretrained.vae, wam_core.pretrained.text, wam_core.pretrained.teacher, "
        "wam_core.pretrained.importer; print([m for m in ('diffusers', 'transformers', 'peft') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
