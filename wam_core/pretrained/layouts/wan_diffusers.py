"""Wan 2.2 TI2V as ``diffusers`` stores it: the video expert alone. Its norm2 is Wan's norm3."""

from wam_core.pretrained.layout import Layout

_BLOCK = ("trunk.mixtures.video.blocks.*.", "blocks.{0}.")
_ATTENTION = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0", "norm_q": "norm_q", "norm_k": "norm_k"}
_PARTS = {
    **{f"self_attn.{ours}.": f"attn1.{theirs}." for ours, theirs in _ATTENTION.items()},
    **{f"cross_attn.{ours}.": f"attn2.{theirs}." for ours, theirs in _ATTENTION.items()},
    "norm3.": "norm2.",
    "ffn.0.": "ffn.net.0.proj.",
    "ffn.2.": "ffn.net.2.",
    "modulation": "scale_shift_table",
}

WAN_DIFFUSERS = Layout(
    summary="Wan2.2-TI2V diffusers safetensors (video expert only)",
    names=(
        *((_BLOCK[0] + ours, _BLOCK[1] + theirs) for ours, theirs in _PARTS.items()),
        ("trunk.mixtures.video.text_embedding.0.", "condition_embedder.text_embedder.linear_1."),
        ("trunk.mixtures.video.text_embedding.2.", "condition_embedder.text_embedder.linear_2."),
        ("trunk.mixtures.video.time_embedding.0.", "condition_embedder.time_embedder.linear_1."),
        ("trunk.mixtures.video.time_embedding.2.", "condition_embedder.time_embedder.linear_2."),
        ("trunk.mixtures.video.time_projection.1.", "condition_embedder.time_proj."),
        ("modalities.video.patch_embedding.", "patch_embedding."),
        ("modalities.video.modulation", "scale_shift_table"),
        ("modalities.video.out.", "proj_out."),
    ),
)
