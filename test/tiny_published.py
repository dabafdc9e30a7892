"""Tiny configurations of the published components, built and saved by the libraries that define them."""

from pathlib import Path

import torch

PROMPTS = "a video recorded from robot's point of view executing the following instruction: pick up red block"


def save_vae(folder: Path, channels: int = 4) -> None:
    """Wan2.2's VAE in small: residual, pixels in patches of two, strides 4 and 16."""
    from diffusers import AutoencoderKLWan

    torch.manual_seed(0)
    AutoencoderKLWan(
        base_dim=8,
        decoder_base_dim=8,
        z_dim=channels,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1 * i for i in range(channels)],
        latents_std=[1.0 + 0.5 * i for i in range(channels)],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
    ).save_pretrained(folder)


def save_text(folder: Path, width: int = 16) -> None:
    """A UMT5 encoder and a word tokenizer, as a pipeline's folder holds them."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    vocabulary = {w: i for i, w in enumerate(["<pad>", "</s>", "<unk>", *PROMPTS.split()])}
    words = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    words.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder / "tokenizer")
    config = UMT5Config(vocab_size=len(vocabulary), d_model=width, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    UMT5EncoderModel(config).save_pretrained(folder / "text_encoder")


def save_teacher(name: str, folder: Path) -> None:
    """One of the frozen encoders, with two layers of width 16."""
    import transformers as t

    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    picture = {"image_size": 32, "patch_size": 8}
    video = {"crop_size": 32, "patch_size": 8, "frames_per_clip": 4, "pred_hidden_size": 12}
    predictor = {"pred_num_hidden_layers": 1, "pred_num_attention_heads": 2, "pred_num_mask_tokens": 1}
    models = {
        "dinov2": lambda: t.Dinov2Model(t.Dinov2Config(**size, **picture)),
        "dinov3": lambda: t.DINOv3ViTModel(t.DINOv3ViTConfig(**size, **picture, num_register_tokens=4)),
        "siglip": lambda: t.SiglipVisionModel(t.SiglipVisionConfig(**size, **picture)),
        "vjepa2": lambda: t.VJEPA2Model(t.VJEPA2Config(**size, **video, **predictor)),
    }
    models[name]().save_pretrained(folder)
