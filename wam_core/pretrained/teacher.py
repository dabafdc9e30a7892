"""Frozen visual encoders through ``transformers``: images to a grid of features, to regress towards or to look with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from wam_core.errors import ContractError, look_up
from wam_core.pretrained.library import loaded

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Family:
    """What differs between families of encoders.

    Attributes:
        pixels: mean and standard deviation of the pixels it was trained on (0..1).
        side: side of the image it takes, read from its configuration.
        prefix: tokens before the patches (class token, registers).
        tubelet: frames that make one token.
    """

    pixels: tuple[tuple[float, ...], tuple[float, ...]]
    side: Callable[[Any], int]
    prefix: Callable[[Any], int]
    tubelet: Callable[[Any], int]


def _one(config: Any) -> int:
    return 1


#: ``model_type`` of a configuration -> its family.
FAMILIES: Mapping[str, Family] = {
    "dinov2": Family(IMAGENET, lambda c: c.image_size, _one, _one),
    "dinov2_with_registers": Family(IMAGENET, lambda c: c.image_size, lambda c: 1 + c.num_register_tokens, _one),
    "dinov3_vit": Family(IMAGENET, lambda c: c.image_size, lambda c: 1 + c.num_register_tokens, _one),
    "siglip_vision_model": Family(HALF, lambda c: c.image_size, lambda c: 0, _one),
    "vjepa2": Family(IMAGENET, lambda c: c.crop_size, lambda c: 0, lambda c: c.tubelet_size),
}


class Teacher:
    """One frozen encoder.

    Attributes:
        width: of a feature. rows: features along a side of the image. tubelet: frames that make one feature.
    """

    def __init__(self, model: Any) -> None:
        self.model = model.eval().requires_grad_(False)
        config = model.config
        self._family = look_up(FAMILIES, config.model_type, "teacher.model_type")
        self._side = self._family.side(config)
        self.width = int(config.hidden_size)
        self.rows = self._side // int(config.patch_size)
        self.tubelet = self._family.tubelet(config)
        mean, std = self._family.pixels
        self._mean, self._std = (torch.tensor(v).view(1, 3, 1, 1) for v in (mean, std))

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """uint8 ``[B, T, H, W, 3]`` to float32 ``[B, T / tubelet, rows, rows, width]``; images are resized to its side.

        Raises:
            ContractError: T is no multiple of ``tubelet``.
        """
        batch, frames = images.shape[:2]
        if frames % self.tubelet:
            raise ContractError("images", frames, f"a multiple of {self.tubelet} frames")
        flat = images.flatten(0, 1).permute(0, 3, 1, 2).float() / 255.0
        size = (self._side, self._side)
        resized = F.interpolate(flat, size, mode="bicubic", antialias=True, align_corners=False).clamp(0.0, 1.0)
        pixels = ((resized - self._mean) / self._std).to(self.model.device, self.model.dtype)
        if self.model.config.model_type == "vjepa2":
            tokens = self.model.get_vision_features(pixels.unflatten(0, (batch, frames)))
        else:
            tokens = self.model(pixel_values=pixels).last_hidden_state[:, self._family.prefix(self.model.config) :]
        return tokens.float().cpu().reshape(batch, -1, self.rows, self.rows, self.width)


def load_teacher(name_or_path: str, dtype: torch.dtype = torch.float32) -> Teacher:
    """An encoder by folder or name; which one it is, its configuration says.

    Raises:
        ContractError: not found, of no known family, or ``transformers`` is not installed.
    """

    def load() -> Teacher:
        from transformers import AutoConfig, AutoModel, SiglipVisionModel

        kind = AutoConfig.from_pretrained(name_or_path).model_type
        # SigLIP is published with its text tower, which has no part in this.
        chosen = SiglipVisionModel if kind.startswith("siglip") else AutoModel
        return Teacher(chosen.from_pretrained(name_or_path, dtype=dtype, use_safetensors=True))

    return loaded("teacher", name_or_path, load)
