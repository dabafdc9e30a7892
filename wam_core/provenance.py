"""Where an answer came from: the model and the input, named so that the answer can be made again from a recording."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import Committed, FloatArray, Observation
from wam_core.dial import Dial
from wam_core.errors import ContractError
from wam_core.model.runtimes.table import RUNTIMES
from wam_core.policy import Policy
from wam_core.training.checkpoint import EMBODIMENT, FILES, ROBOT

#: Packages whose version may change the bits of an answer.
PACKAGES = ("wam", "torch", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class ModelRecord:
    """One model in use; the fields are those of ``wam_msgs/ModelInfo``."""

    name: str
    checkpoint: str
    digest: str
    preset: str
    seed: int
    steps: int
    threads: int
    versions: Mapping[str, str]

    def to_metadata(self) -> dict[str, str]:
        """Flat text, as a recording embeds it."""
        plain = {k: str(v) for k, v in vars(self).items() if k != "versions"}
        return plain | {f"version.{name}": text for name, text in self.versions.items()}


def from_metadata(raw: Mapping[str, str]) -> ModelRecord:
    """Inverse of :meth:`ModelRecord.to_metadata`.

    Raises:
        ContractError: a field is missing or no number.
    """
    versions = {name.removeprefix("version."): text for name, text in raw.items() if name.startswith("version.")}
    try:
        return ModelRecord(
            name=raw["name"],
            checkpoint=raw["checkpoint"],
            digest=raw["digest"],
            preset=raw["preset"],
            seed=int(raw["seed"]),
            steps=int(raw["steps"]),
            threads=int(raw["threads"]),
            versions=versions,
        )
    except (KeyError, ValueError) as error:
        raise ContractError("recording.model", sorted(raw), f"the fields of a model record ({error})") from error


@dataclass(frozen=True)
class InputRecord:
    """What one chunk was computed from; the fields are those of ``wam_msgs/ModelInput``.

    Attributes:
        dial: how much it was allowed to cost.
        continued_sequence, committed_until_ns: sequence of the chunk it goes on from, and until when that was
            committed; both 0 for a chunk that goes on from none.
    """

    stamp_ns: int
    sequence: int
    instruction: str
    image_digests: Mapping[str, str]
    proprioception: FloatArray
    continued_sequence: int = 0
    committed_until_ns: int = 0
    dial: Dial = Dial()


def checkpoint_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a checkpoint's files, what it was trained on included, hexadecimal."""
    found = hashlib.sha256()
    bodies = (name for name in (ROBOT, EMBODIMENT) if (folder / name).is_file())
    for name in sorted({*FILES, *bodies, *(path.name for path in folder.glob("*.safetensors"))}):
        with (folder / name).open("rb") as file:
            found.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return found.hexdigest()


def model_record(policy: Policy, folder: Path, threads: int) -> ModelRecord:
    """Describe ``policy``, which was loaded from ``folder`` and computes with ``threads`` CPU threads."""
    return ModelRecord(
        name=policy.name,
        checkpoint=str(folder.resolve()),
        digest=checkpoint_digest(folder),
        preset=(folder / "preset.yaml").read_text(),
        seed=policy.seed,
        steps=policy.dial.denoising_steps or policy.checkpoint.preset.steps,
        threads=threads,
        versions={name: version(name) for name in PACKAGES} | _computed_by(policy),
    )


def _computed_by(policy: Policy) -> dict[str, str]:
    """The runtime, if it is not the reference, and the version of what it computes with."""
    name = next(name for name, kind in RUNTIMES.items() if type(policy.runtime) is kind)
    return {name: version(policy.runtime.package)} if policy.runtime.package else {}


def image_digest(image: NDArray[np.uint8]) -> str:
    """SHA-256 of uint8 RGB pixels, hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()


def input_record(
    policy: Policy, observation: Observation, sequence: int, committed: Committed | None = None
) -> InputRecord:
    """Describe what ``policy`` looked at and went on from for the chunk of that sequence, its last one."""
    digests = {name: image_digest(observation.images[name]) for name in policy.cameras}
    return InputRecord(
        observation.stamp_ns,
        sequence,
        observation.instruction,
        digests,
        observation.proprioception,
        continued_sequence=committed.chunk.sequence if committed else 0,
        committed_until_ns=committed.until_ns if committed else 0,
        dial=policy.dial,
    )
