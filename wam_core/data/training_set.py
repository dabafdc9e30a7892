"""A folder of recordings as training arrays, read once and kept."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.data.episode import Episode
from wam_core.data.frames import TrainingFrames
from wam_core.data.reader import read_episodes
from wam_core.errors import ContractError
from wam_core.preprocess.images import ImageLayout, lay_out
from wam_core.preprocess.senses import channels_of
from wam_core.robot.binding import differences
from wam_core.robot.contract import RobotContract
from wam_core.robot.robot_file import from_dict
from wam_core.robot.senses import senses_of

#: Part of the cache key; goes up when the arrays or their preprocessing change.
FORMAT = 4

#: Before the name of a channel in a cache file.
CHANNEL = "channel."

#: A tool that feels more than this touches something (N).
CONTACT_N = 2.0


def recordings_in(folder: Path) -> list[Path]:
    """Finished MCAP files and rosbag2 folders below ``folder``, sorted."""
    bags = [p.parent for p in folder.rglob("metadata.yaml")]
    return sorted([p for p in folder.rglob("*.mcap") if p.parent not in bags] + bags)


def load_frames(
    folder: Path,
    layout: ImageLayout,
    cache: Path,
    robot: RobotContract | None = None,
    report: Callable[[int, int], None] | None = None,
    channels: Sequence[str] = (),
) -> TrainingFrames:
    """Read all recordings below ``folder``, or the cached arrays when neither files nor settings changed.

    Episodes labelled as failures are left out.

    Args:
        cache: folder of ``.npz`` files.
        robot: contract of recordings that embed none.
        report: called with (episodes read, episodes in all).
        channels: those wanted beside ``contact``; those that not every recording has are left out.

    Raises:
        ContractError: no recording, recordings that a model cannot be bound to at once, or one that cannot be read.
    """
    paths = recordings_in(folder)
    if not paths:
        raise ContractError("data", str(folder), "a folder with recordings")
    file = cache / f"frames_{_key(paths, layout, robot, channels)}.npz"
    if file.exists():
        return _load(file, layout)
    parts: list[_Part] = []
    contract: RobotContract | None = None
    for number, path in enumerate(paths):
        for episode in read_episodes(path, robot, layout.cameras, channels):
            contract = contract or episode.robot
            # What a model is bound to must be equal; limits, gains and safety may change between recordings.
            for difference in differences(contract, episode.robot, channels):
                expected = f"the same in all recordings (see {paths[0].name})"
                raise ContractError(f"{path.name}:{difference.field}", difference.value, expected)
            if episode.success is not False:
                parts.extend(_parts(episode, layout, channels))
        if report:
            report(number + 1, len(paths))
    if contract is None or not parts:
        raise ContractError("data", str(folder), "a recording that is not labelled a failure")
    ends = np.cumsum([len(p.actions) for p in parts])
    frames = TrainingFrames(
        images=np.concatenate([p.images for p in parts]),
        proprioception=np.concatenate([p.proprioception for p in parts]),
        actions=np.concatenate([p.actions for p in parts]),
        bounds=np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1),
        instructions=tuple(p.instruction for p in parts),
        files=tuple(p.file for p in parts),
        robot=contract,
        layout=layout,
        channels=_channels(parts),
        sub_instructions=_sub_instructions(parts),
    )
    _save(file, frames)
    return frames


@dataclass(frozen=True)
class _Part:
    """One stretch without a gap."""

    images: NDArray[np.uint8]
    proprioception: FloatArray
    actions: FloatArray
    channels: Mapping[str, NDArray[np.generic]]
    instruction: str
    file: str
    sub_instructions: NDArray[np.str_] | None


def _parts(episode: Episode, layout: ImageLayout, wanted: Sequence[str]) -> list[_Part]:
    height, width = layout.size
    images = np.empty((len(episode.stamps_ns), height, width, 3), np.uint8)
    for row in range(len(images)):
        images[row] = lay_out(episode.robot, {name: episode.images[name][row] for name in layout.cameras}, layout)
    channels = _sensed(episode, layout, wanted)
    if episode.wrench is not None:
        channels["contact"] = (np.linalg.norm(episode.wrench[:, :3], axis=1) > CONTACT_N).astype(np.float64)
    return [
        _Part(
            images[a:b],
            episode.proprioception[a:b],
            episode.actions[a:b],
            {name: values[a:b] for name, values in channels.items()},
            episode.instruction,
            episode.path.name,
            None if episode.sub_instructions is None else episode.sub_instructions[a:b],
        )
        for a, b in episode.segments
    ]


def _sensed(episode: Episode, layout: ImageLayout, wanted: Sequence[str]) -> dict[str, NDArray[np.generic]]:
    """Those of the ``wanted`` channels of which every sense was recorded."""
    made: dict[str, NDArray[np.generic]] = {}
    for channel in wanted:
        try:
            names = [sense.name for sense in senses_of(episode.robot, channel, layout.cameras)]
        except ContractError:
            continue
        if all(name in episode.senses for name in names):
            instants = [{n: episode.senses[n][row] for n in names} for row in range(len(episode.stamps_ns))]
            rows = [channels_of(episode.robot, [channel], values, layout)[channel] for values in instants]
            made[channel] = np.stack(rows)
    return made


def _channels(parts: Sequence[_Part]) -> dict[str, NDArray[np.generic]]:
    """Those that every recording has: what was not measured was not nothing."""
    shared = [name for name in parts[0].channels if all(name in p.channels for p in parts)]
    return {name: np.concatenate([p.channels[name] for p in parts]) for name in shared}


def _sub_instructions(parts: Sequence[_Part]) -> NDArray[np.str_] | None:
    said = [p.sub_instructions for p in parts if p.sub_instructions is not None]
    return np.concatenate(said) if len(said) == len(parts) else None


def _key(paths: Sequence[Path], layout: ImageLayout, robot: RobotContract | None, channels: Sequence[str]) -> str:
    files = [(str(p), *_fingerprint(p)) for p in paths]
    settings = (FORMAT, asdict(layout), None if robot is None else robot.to_dict(), sorted(channels))
    return hashlib.sha256(json.dumps([files, settings]).encode()).hexdigest()[:16]


def _fingerprint(path: Path) -> tuple[int, int]:
    """Size and time of change of a file, or of all files of a folder together."""
    found = [p.stat() for p in ([path] if path.is_file() else sorted(path.iterdir()))]
    return sum(s.st_size for s in found), max(s.st_mtime_ns for s in found)


def _save(file: Path, frames: TrainingFrames) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    channels: dict[str, Any] = {CHANNEL + name: values for name, values in frames.channels.items()}
    said: dict[str, Any] = {} if frames.sub_instructions is None else {"sub_instructions": frames.sub_instructions}
    # A name of its own: several processes that begin at once all find no cache, and all make it.
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as out:
        np.savez(
            out,
            images=frames.images,
            proprioception=frames.proprioception,
            actions=frames.actions,
            bounds=frames.bounds,
            instructions=np.array(frames.instructions),
            files=np.array(frames.files),
            robot=np.array(json.dumps(frames.robot.to_dict())),
            **said,
            **channels,
        )
    Path(out.name).replace(file)


def _load(file: Path, layout: ImageLayout) -> TrainingFrames:
    with np.load(file) as stored:
        return TrainingFrames(
            images=stored["images"],
            proprioception=stored["proprioception"],
            actions=stored["actions"],
            bounds=stored["bounds"],
            instructions=tuple(str(t) for t in stored["instructions"]),
            files=tuple(str(t) for t in stored["files"]),
            robot=from_dict(json.loads(str(stored["robot"])), file.name),
            layout=layout,
            channels={n.removeprefix(CHANNEL): stored[n] for n in stored.files if n.startswith(CHANNEL)},
            sub_instructions=stored.get("sub_instructions"),
        )
