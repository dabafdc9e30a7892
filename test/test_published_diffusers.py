"""Our video expert against the Wan transformer of ``diffusers``, the library that defines the format, fp32."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from wam_core.model.groups import TokenGroup
from wam_core.model.modalities import TokenShape
from wam_core.model.trunk import ExpertSize, TrunkSize
from wam_core.model.wam import ModelSpec, WorldActionModel
from wam_core.pretrained.layout import published_state
from wam_core.pretrained.layouts import LAYOUTS
from wam_core.substrates.patches import patchify, unpatchify

VIDEO, LATENT = TokenShape(1, 2, (4, 6), 24, patch=2), (6, 8, 12)
TRUNK = TrunkSize(layers=3, heads=2, head_dim=16, text_dim=20, time_dim=32)


def group(name: str, span: str) -> TokenGroup:
    """Wan alone: every frame sees every frame, each at its own noise level."""
    return TokenGroup(name, "video", span, "generated", "video", ("first", "future"), generator="flow_matching")


def video_model() -> WorldActionModel:
    torch.manual_seed(0)
    groups = (group("first", "present"), group("future", "future"))
    spec = ModelSpec(groups, {"video": ExpertSize(32, 80)}, TRUNK, {"video": VIDEO}, 7, ("reach",), 4)
    model = WorldActionModel(spec).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if not name.endswith("places"):
                value.add_(0.1 * torch.randn_like(value))
    return model


@pytest.mark.parametrize("first_level", [0.0, 0.6], ids=["per-token times", "one time"])
@torch.no_grad()
def test_the_video_expert_is_wan(first_level: float, tmp_path: Path) -> None:
    """Rotary axes in another order, or the head's pixels before its channels: imported weights made grey mush."""
    from diffusers import WanTransformer3DModel

    model = video_model()
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    save_file(published_state(LAYOUTS["wan_diffusers"], model.state_dict(), VIDEO), file)
    wan = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=TRUNK.heads,
        attention_head_dim=TRUNK.head_dim,
        in_channels=6,
        out_channels=6,
        text_dim=TRUNK.text_dim,
        freq_dim=TRUNK.time_dim,
        ffn_dim=80,
        num_layers=TRUNK.layers,
    ).eval()
    wan.load_state_dict(load_file(file), strict=True)

    latents, context = torch.randn(2, 6, 3, 8, 12), torch.randn(2, 5, TRUNK.text_dim)
    level = torch.tensor([0.6, 0.6]) if first_level else torch.tensor([0.25, 0.8])
    sigmas = {"first": torch.full((2,), first_level), "future": level}
    features = {"first": patchify(latents[:, :, :1], 2), "future": patchify(latents[:, :, 1:], 2)}
    heads, _ = model.run(features, sigmas, model.text_cache(features, context), {})
    ours = unpatchify(torch.cat([heads["first"], heads["future"]], dim=1), 2, LATENT)

    per_frame = 4 * 6
    times = torch.stack([sigmas["first"]] * per_frame + [sigmas["future"]] * 2 * per_frame, dim=1)
    theirs = wan(latents, 1000 * (level if first_level else times), context).sample
    assert theirs.abs().max() > 0.1
    assert (ours - theirs).abs().max() < 1e-4
