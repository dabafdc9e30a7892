"""The checkpoints of Fast-WAM's authors: a pickle ``{mot, proprio_encoder, step, torch_dtype}``."""

from wam_core.pretrained.layout import Layout

FAST_WAM = Layout(
    summary="Fast-WAM's own .pt",
    unpack=("mot", "proprio_encoder"),
    names=(
        ("trunk.mixtures.", "mot.mixtures."),
        ("modalities.video.patch_embedding.", "mot.mixtures.video.patch_embedding."),
        ("modalities.video.modulation", "mot.mixtures.video.head.modulation"),
        ("modalities.video.out.", "mot.mixtures.video.head.head."),
        ("modalities.action.encoder.", "mot.mixtures.action.action_encoder."),
        ("modalities.action.out.", "mot.mixtures.action.head."),
        ("proprio_encoder.", "proprio_encoder."),
    ),
)
