"""The budget that all presets of a report share, and the data that they are trained on."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from wam_core.data.frames import FORMAT, recordings_in


@dataclass(frozen=True)
class Budget:
    """What each preset is given, whatever it is made of.

    Attributes:
        updates, batch: of the model. vae_updates: of each video VAE; presets with the same one share it.
        tasks: the cell's tasks it is evaluated in. episodes: of each, and as many of each with the cameras frozen.
        delay_ms: time from an observation until its chunk arrives, that episodes imitate.
        seed: of the weights, of all noise, and of the first episode.
    """

    updates: int
    batch: int
    vae_updates: int
    tasks: tuple[str, ...]
    episodes: int
    delay_ms: int
    seed: int


def fingerprint(data: Path) -> str:
    """Names and sizes of all recordings and the version of their arrays, hexadecimal."""
    files = [(p.name, p.stat().st_size) for p in recordings_in(data)]
    return hashlib.sha256(json.dumps([FORMAT, files]).encode()).hexdigest()[:16]
