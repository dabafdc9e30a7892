"""What all presets of a report share: the budget, the data that they are trained on, and what is measured of them."""

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
        seed: of the weights and of all noise.
    """

    updates: int
    batch: int
    vae_updates: int
    seed: int


@dataclass(frozen=True)
class Exam:
    """What is asked of each when it is trained.

    Attributes:
        tasks: the cell's tasks it is evaluated in. episodes: of each.
        varied_episodes: of each task and variation, of the same seeds.
        delay_ms: time from an observation until its chunk arrives, that episodes imitate.
        seed: of the first episode.
    """

    tasks: tuple[str, ...]
    episodes: int
    varied_episodes: int
    delay_ms: int
    seed: int


def contents(data: Path) -> str:
    """Which recordings: SHA-256 over their names and contents, hexadecimal.

    What each file contains is read once, and again when its size or time of change is another.
    """
    said = [(name, digest) for name, (_, _, digest) in sorted(_digests(data).items())]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _digests(data: Path) -> dict[str, tuple[int, int, str]]:
    """File -> size, time of change, SHA-256."""
    cache = data / ".cache" / "contents.json"
    known = json.loads(cache.read_text()) if cache.exists() else {}
    found: dict[str, tuple[int, int, str]] = {}
    for recording in recordings_in(data):
        for file in [recording] if recording.is_file() else sorted(recording.iterdir()):
            name, stat = str(file.relative_to(data)), file.stat()
            size, changed, digest = known.get(name, (None, None, ""))
            if (size, changed) != (stat.st_size, stat.st_mtime_ns):
                with file.open("rb") as opened:
                    digest = hashlib.file_digest(opened, "sha256").hexdigest()
            found[name] = (stat.st_size, stat.st_mtime_ns, digest)
    if known != json.loads(json.dumps(found)):
        cache.parent.mkdir(parents=True, exist_ok=True)
        unfinished = cache.with_suffix(".part")
        unfinished.write_text(json.dumps(found))
        unfinished.replace(cache)
    return found
