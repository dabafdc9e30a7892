"""The budget that all presets of a report share, and the data that they are trained on."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from wam_core.data.training_set import recordings_in


@dataclass(frozen=True)
class Budget:
    """What each preset is given, whatever it is made of.

    Attributes:
        updates, batch: of the model. vae_updates: of each video VAE; presets with the same one share it.
        tasks: the cell's tasks it is evaluated in. episodes: of each.
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
    """Which demonstrations: the names of all recordings, which say task and seed, hexadecimal.

    A recording of the same demonstration by more senses is the same to presets that look with the others.
    """
    names = [str(p.relative_to(data)) for p in recordings_in(data)]
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]
