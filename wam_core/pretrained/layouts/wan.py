"""Wan 2.2 TI2V as its authors publish it: the video expert alone."""

from wam_core.pretrained.layout import Layout

WAN = Layout(
    summary="Wan2.2-TI2V native safetensors (video expert only)",
    names=(
        ("trunk.mixtures.video.", ""),
        ("modalities.video.patch_embedding.", "patch_embedding."),
        ("modalities.video.modulation", "head.modulation"),
        ("modalities.video.out.", "head.head."),
    ),
)
