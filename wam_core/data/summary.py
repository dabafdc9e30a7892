"""What is in a folder of recordings, and what would make training fail."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wam_core.contract import FloatArray
from wam_core.data.episode import Episode
from wam_core.data.frames import recordings_in
from wam_core.data.reader import read_episodes
from wam_core.data.synchronise import IntArray
from wam_core.errors import ContractError
from wam_core.robot.contract import RobotContract


@dataclass(frozen=True)
class FolderSummary:
    """Counts and ranges over all readable recordings of a folder.

    Attributes:
        tasks: task -> its episodes' lengths in steps.
        outcomes: ``success``, ``failure`` or ``unlabelled`` -> episodes.
        instructions: instruction -> episodes.
        cameras: camera -> mean measured rate of distinct images in Hz.
        columns: ``action x`` ... -> (least, mean, greatest).
        gaps: file and stream -> seconds without a fresh value.
        unfinished: files without a footer.
        derived: files whose actions come from the measured pose.
        problems: what keeps a file from being read, in words that name the file and the field.
    """

    tasks: Mapping[str, tuple[int, ...]]
    outcomes: Mapping[str, int]
    instructions: Mapping[str, int]
    cameras: Mapping[str, float]
    columns: Mapping[str, tuple[float, float, float]]
    gaps: Mapping[str, float]
    unfinished: tuple[str, ...]
    derived: tuple[str, ...]
    problems: tuple[str, ...]


def summarise(
    folder: Path, robot: RobotContract | None = None, report: Callable[[int, int], None] | None = None
) -> FolderSummary:
    """Read every recording below ``folder``; one that cannot be read is a problem, not an error.

    Args:
        robot: contract of recordings that embed none.
        report: called with (recordings read, recordings in all).

    Raises:
        ContractError: there is no recording.
    """
    paths = recordings_in(folder)
    if not paths:
        raise ContractError("data", str(folder), "a folder with recordings")
    tasks: dict[str, list[int]] = {}
    outcomes: Counter[str] = Counter()
    instructions: Counter[str] = Counter()
    rates: dict[str, list[float]] = {}
    ranges: dict[str, list[FloatArray]] = {}
    gaps: dict[str, float] = {}
    unfinished: dict[str, None] = {}
    derived: dict[str, None] = {}
    problems: list[str] = []
    for episode in _readable(paths, robot, problems, report):
        file = episode.path.name
        tasks.setdefault(episode.metadata.get("task", "unnamed"), []).append(len(episode.stamps_ns))
        outcomes[{True: "success", False: "failure", None: "unlabelled"}[episode.success]] += 1
        instructions[episode.instruction] += 1
        for camera, stamps in episode.image_stamps_ns.items():
            rates.setdefault(camera, []).append(_rate(stamps))
        for name, values in _columns(episode).items():
            ranges.setdefault(name, []).append(np.array([values.min(), values.mean(), values.max(), len(values)]))
        for gap in episode.gaps:
            key = f"{file}:{gap.stream}"
            gaps[key] = gaps.get(key, 0.0) + (gap.end_ns - gap.start_ns + episode.robot.step_ns) / 1e9
        if episode.metadata["complete"] == "false":
            unfinished[file] = None
        if episode.metadata["actions"] != "recorded":
            derived[file] = None
    return FolderSummary(
        tasks={name: tuple(lengths) for name, lengths in sorted(tasks.items())},
        outcomes=outcomes,
        instructions=instructions,
        cameras={name: float(np.mean(found)) for name, found in rates.items()},
        columns={name: _merge(np.array(found)) for name, found in ranges.items()},
        gaps=gaps,
        unfinished=tuple(unfinished),
        derived=tuple(derived),
        problems=tuple(problems),
    )


def _readable(
    paths: Sequence[Path], robot: RobotContract | None, problems: list[str], report: Callable[[int, int], None] | None
) -> Iterator[Episode]:
    """Episodes of all readable recordings; the others are added to ``problems``."""
    for number, path in enumerate(paths):
        try:
            yield from read_episodes(path, robot)
        except ContractError as error:
            problems.append(str(error))
        if report:
            report(number + 1, len(paths))


def _rate(stamps_ns: IntArray) -> float:
    """Hz of distinct stamps; 0 when there is only one."""
    distinct = np.unique(stamps_ns)
    return (len(distinct) - 1) / (distinct[-1] - distinct[0]) * 1e9 if len(distinct) > 1 else 0.0


def _columns(episode: Episode) -> dict[str, FloatArray]:
    robot = episode.robot
    columns = {f"action {name}": episode.actions[:, i] for i, name in enumerate(robot.action.names)}
    return columns | {f"measured {n}": episode.proprioception[:, i] for i, n in enumerate(robot.proprioception)}


def _merge(found: FloatArray) -> tuple[float, float, float]:
    mean = float(np.average(found[:, 1], weights=found[:, 3]))
    return float(found[:, 0].min()), mean, float(found[:, 2].max())
