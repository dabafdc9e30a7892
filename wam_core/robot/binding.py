"""Whether a robot is the one that a model was made for: every difference is named before anything moves."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from wam_core.data.statistics import ColumnStatistics
from wam_core.errors import ContractError
from wam_core.robot.contract import RobotContract
from wam_core.robot.senses import SENSES

#: What must be equal, cameras apart: field of the robot file -> what is compared.
BINDING: Mapping[str, Callable[[RobotContract], object]] = {
    "name": lambda r: r.name,
    "urdf": lambda r: r.urdf,
    "joints": lambda r: list(r.joint_names),
    "gripper.closed": lambda r: r.fingers.closed.tolist(),
    "gripper.open": lambda r: r.fingers.open.tolist(),
    "base_frame": lambda r: r.base_frame,
    "tool_frame": lambda r: r.tool_frame,
    "tool_reference_rpy": lambda r: r.tool_reference_rpy.tolist(),
    "action.space": lambda r: r.action.space,
    "action.names": lambda r: list(r.action.names),
    "rates.action_hz": lambda r: r.rates.action_hz,
    "proprioception": lambda r: list(r.proprioception),
}


def differences(trained: RobotContract, robot: RobotContract, channels: Sequence[str] = ()) -> Iterator[ContractError]:
    """Each field in which ``robot`` differs from the contract a model was trained under.

    Args:
        channels: of the scenes, whose senses must be the same, wherever they come from.
    """
    for field, read in BINDING.items():
        if read(trained) != read(robot):
            yield _error(field, read(robot), f"{read(trained)!r}")
    names, expected = ([c.name for c in r.cameras] for r in (robot, trained))
    if names != expected:
        yield _error("cameras", names, f"{expected} in this order")
    for camera in robot.cameras:
        for other in trained.cameras:
            found, wanted = (f"{c.size[1]}x{c.size[0]}" for c in (camera, other))
            if camera.name == other.name and found != wanted:
                yield _error(f"cameras.{camera.name}", f"{found} pixels", f"{wanted} pixels")
            if camera.name == other.name and other.lens is not None and camera.looked_through != other.looked_through:
                found, wanted = (f"{c.looked_through}, crop {c.crop}" for c in (camera, other))
                yield _error(f"cameras.{camera.name}.lens", found, wanted)
            # With a lens pictures were straight, whatever made them so; without one they were as the camera sent them.
            if camera.name == other.name and other.lens is None and camera.crop != other.crop:
                yield _error(f"cameras.{camera.name}.crop", camera.crop, f"{other.crop}")
            if camera.name == other.name and other.lens is None and camera.distortion is not None:
                yield _error(f"cameras.{camera.name}.distortion", camera.distortion, "none: pictures as they are sent")
    for channel in channels:
        has, had = (
            [replace(s, topic="") for s in r.senses if SENSES[s.kind].channel == channel] for r in (robot, trained)
        )
        if has != had:
            yield _error(f"senses.{channel}", has, f"{had}")


def _error(field: str, found: object, expected: str) -> ContractError:
    return ContractError(f"robot.{field}", found, f"{expected}, as the checkpoint was trained with")


def check_binding(trained: RobotContract, robot: RobotContract, channels: Sequence[str] = ()) -> None:
    """Raise :class:`ContractError` naming the first of :func:`differences`."""
    for error in differences(trained, robot, channels):
        raise error


def check_statistics(found: Mapping[str, ColumnStatistics], wanted: Mapping[str, tuple[str, ...]]) -> None:
    """Raise :class:`ContractError` naming the first column of ``wanted`` (part -> columns) that has no statistics."""
    for part, columns in wanted.items():
        if part not in found:
            raise ContractError(f"statistics.{part}", sorted(found), f"statistics of {part}")
        names = found[part].names
        if names == columns:
            continue
        for i, column in enumerate(columns):
            if column not in names:
                raise ContractError(f"statistics.{part}.{column}", None, "statistics of this column")
            if names[i] != column:
                raise ContractError(f"statistics.{part}", names[i], f"{column!r} at place {i}")
        raise ContractError(f"statistics.{part}", names[len(columns)], f"the {len(columns)} columns of the model only")
