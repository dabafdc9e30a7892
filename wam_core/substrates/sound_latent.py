"""The sound of the coming steps as latents of its log-mel spectrogram (Audio-WM)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.modalities import TokenShape
from wam_core.substrates.cosines import Cosines
from wam_core.substrates.every_step import every_step
from wam_core.substrates.substrate import Clip, Scenes, Substrate, SubstrateSpec


@dataclass(frozen=True)
class SoundLatentSpec(SubstrateSpec):
    """``samples`` of an action step at ``rate_hz`` as ``frames`` of ``mels`` bands.

    Of their coefficients ``kept_frames`` x ``kept_mels`` are kept.
    """

    axis: ClassVar[str] = "Audio (latent)"
    shows: ClassVar[str] = "spectrogram"
    channels: ClassVar[tuple[str, ...]] = ("sound",)

    kind: str
    rate_hz: float
    samples: int
    frames: int
    mels: int
    kept_frames: int
    kept_mels: int

    def shape(self, clip: Clip) -> TokenShape:
        for name, most in (("kept_frames", self.frames), ("kept_mels", self.mels)):
            if not 0 < getattr(self, name) <= most:
                raise ContractError(f"substrate.{name}", getattr(self, name), f"1 to {most}")
        if self.samples % self.frames:
            raise ContractError("substrate.frames", self.frames, f"a divisor of the samples ({self.samples})")
        return TokenShape(1, clip.instants * clip.stride, (), self.kept_frames * self.kept_mels)

    def build(self, clip: Clip) -> Substrate:
        return SoundLatent(self, clip)


class SoundLatent(Substrate):
    """One token an action step; ``decode`` gives float32 ``[M, steps, mels, frames]``: 0 silent, 1 full scale, in dB.

    A frame hears nothing of its neighbours, so that a step's token is of that step alone.
    """

    #: What is quieter is silence (dB of full scale).
    FLOOR_DB = -80.0
    #: Bins of the spectrum: bands of low frequencies are narrower than those of a frame.
    BINS = 256
    #: Makes features of sounds in the cell about as large as noise.
    GAIN = 5.0

    def __init__(self, spec: SoundLatentSpec, clip: Clip) -> None:
        from transformers.audio_utils import mel_filter_bank

        super().__init__()
        self.spec = spec
        self.stride = clip.stride
        length = spec.samples // spec.frames
        self.window = np.hanning(length + 2)[1:-1]
        self.bins = max(self.BINS, length)
        count = self.bins // 2 + 1
        self.bands = mel_filter_bank(count, spec.mels, 0.0, spec.rate_hz / 2, int(spec.rate_hz), mel_scale="htk")
        self.cosines = Cosines(spec.frames, spec.mels, spec.kept_frames, spec.kept_mels, self.GAIN)

    def encode(self, scenes: Scenes, rows: NDArray[np.int64]) -> Tensor:
        sound = np.asarray(scenes.channel("sound"), np.float32)
        if sound.shape[1] != self.spec.samples:
            raise ContractError("scenes.sound", sound.shape[1], f"{self.spec.samples} samples an action step")
        steps = every_step(rows, self.stride)
        used, where = np.unique(steps, return_inverse=True)
        return self.cosines.encode(self.levels(sound[used]))[torch.from_numpy(where.reshape(steps.shape))]

    def decode(self, present: Tensor, future: Tensor) -> NDArray[np.generic]:
        return np.clip(self.cosines.decode(future), 0.0, 1.0).swapaxes(-1, -2).astype(np.float32)

    def levels(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mel spectrogram ``[N, frames, mels]``, 0 at the floor, 1 at full scale, of ``[N, samples]``."""
        frames = sound.reshape(len(sound), self.spec.frames, -1) * self.window
        spectrum = np.abs(np.fft.rfft(frames, self.bins)) / (0.5 * self.window.sum())
        decibels = 10.0 * np.log10(spectrum**2 @ self.bands + 10.0 ** (self.FLOOR_DB / 10.0))
        return np.clip(1.0 - decibels / self.FLOOR_DB, 0.0, 1.0).astype(np.float32)
