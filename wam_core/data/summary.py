"""What is in a folder of recordings, and what would make training fail."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wam_core.contract import FloatArray
from wam_core.data.doubts import outlying, slow, still, unequal
from wam_core.data.episode import Episode
from wam_core.data.reader import read_episodes
from wam_core.data.synchronise import IntArray
from wam_core.data.training_set import recordings_in
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
        doubts: what training would fail at or suffer from, in words.
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
    doubts: tuple[str, ...]
    problems: tuple[str, ...]


def summarise(
    folder: Path,
    robot: RobotContract | None = None,
    report: Callable[[int, int], None] | None = None,
    look: Callable[[Episode], None] | None = None,
) -> FolderSummary:
    """Read every recording below ``folder``; one that cannot be read is a problem, not an error.

    Args:
        robot: contract of recordings that embed none.
        report: called with (recordings read, recordings in all).
        look: called with each episode, e.g. to keep pictures of it.

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
    files: list[str] = []
    contracts: dict[str, RobotContract] = {}
    for episode in _readable(paths, robot, problems, report):
        file = episode.path.name
        files.append(file)
        if not any(c.to_dict() == episode.robot.to_dict() for c in contracts.values()):
            contracts[file] = episode.robot
        if look:
            look(episode)
        tasks.setdefault(episode.metadata.get("task", "unnamed"), []).append(len(episode.stamps_ns))
        outcomes[{True: "success", False: "failure", None: "unlabelled"}[episode.success]] += 1
        instructions[episode.instruction] += 1
        for camera, stamps in episode.image_stamps_ns.items():
            rates.setdefault(camera, []).append(_rate(stamps))
        for name, values in _columns(episode).items():
            ranges.setdefault(name, []).append(_figures(values))
        for gap in episode.gaps:
            key = f"{file}:{gap.stream}"
            gaps[key] = gaps.get(key, 0.0) + (gap.end_ns - gap.start_ns + episode.robot.step_ns) / 1e9
        if episode.metadata["complete"] == "false":
            unfinished[file] = None
        if episode.metadata["actions"] != "recorded":
            derived[file] = None
    means = {name: float(np.mean(found)) for name, found in rates.items()}
    columns = {name: _merge(np.array(found)) for name, found in ranges.items()}
    whole = {name: np.array(found) for name, found in ranges.items() if len(found) == len(files)}
    doubts = [*unequal(contracts), *still(columns), *outlying(files, whole)]
    doubts += slow(next(iter(contracts.values())), means) if files else []
    return FolderSummary(
        tasks={name: tuple(lengths) for name, lengths in sorted(tasks.items())},
        outcomes=outcomes,
        instructions=instructions,
        cameras=means,
        columns=columns,
        gaps=gaps,
        unfinished=tuple(unfinished),
        derived=tuple(derived),
        doubts=tuple(doubts),
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


def _figures(values: FloatArray) -> FloatArray:
    """``[5]`` least, mean, greatest, mean square, number."""
    return np.array([values.min(), values.mean(), values.max(), np.square(values).mean(), len(values)])


def _merge(found: FloatArray) -> tuple[float, float, float]:
    mean = float(np.average(found[:, 1], weights=found[:, 4]))
    return float(found[:, 0].min()), mean, float(found[:, 2].max())
