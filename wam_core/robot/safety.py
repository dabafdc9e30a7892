"""What the robot file says about safety beyond the arm's own limits: its surroundings, forces, who may stop it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wam_core.errors import ContractError, look_up
from wam_core.fields import exact_fields, read

#: Kinds of shape and the numbers that size them, m.
SHAPES: Mapping[str, tuple[str, ...]] = {
    "box": ("x", "y", "z"),
    "sphere": ("radius",),
    "capsule": ("radius", "length"),
}


@dataclass(frozen=True)
class Shape:
    """A solid in the base frame.

    Attributes:
        kind: a key of :data:`SHAPES`. size: its numbers in m: full extents of a box; of a capsule, radius and length
            without the caps.
        position: centre, m. A capsule stands along z.
    """

    name: str
    kind: str
    size: tuple[float, ...]
    position: tuple[float, float, float]


@dataclass(frozen=True)
class ContactLimits:
    """Greatest contact while the arm may still move as it likes; zero for no limit. What has a limit must be measured:
    without a fresh measurement the arm stops.

    Attributes:
        force, torque: of the wrench at the tool, N and N m. taxel: of any one taxel, N.
    """

    force: float = 0.0
    torque: float = 0.0
    taxel: float = 0.0


@dataclass(frozen=True)
class Safety:
    """Every part may be left out; what is left out is not checked.

    Attributes:
        environment: solids that the arm must not touch. keep_out: volumes that it must not enter.
        environment_distance, keep_out_distance: least distance of the arm to them, m.
        manipulability: measure ``sqrt(det(J J^T))`` of the tool below which motion towards a singularity is slowed;
            zero for no check.
        contact: limits on what the arm feels.
        override_topic: std_msgs/Bool; while the last message is true a person has the arm, and it holds.
        dead_man_topic: std_msgs/Bool; the arm moves only while true was heard within ``dead_man_s``.
    """

    environment: tuple[Shape, ...] = ()
    keep_out: tuple[Shape, ...] = ()
    environment_distance: float = 0.0
    keep_out_distance: float = 0.0
    manipulability: float = 0.0
    contact: ContactLimits = ContactLimits()
    override_topic: str = ""
    dead_man_topic: str = ""
    dead_man_s: float = 0.2


def read_safety(raw: Mapping[str, Any], source: str) -> Safety:
    """Build and check the ``safety`` part of a robot file.

    Raises:
        ContractError: unknown field or shape, wrong number of sizes, a number that is not finite or not positive.
    """
    values = exact_fields(Safety, raw, source)
    for part in ("environment", "keep_out"):
        values[part] = [_shape(s, f"{source}.{part}[{k}]") for k, s in enumerate(raw.get(part, ()))]
    values["contact"] = contact = read(ContactLimits, raw.get("contact", {}), f"{source}.contact")
    safety = read(Safety, values, source)
    numbers = {name: getattr(safety, name) for name in ("environment_distance", "keep_out_distance", "manipulability")}
    numbers |= {"dead_man_s": safety.dead_man_s} | {f"contact.{name}": value for name, value in vars(contact).items()}
    for name, value in numbers.items():
        if not 0.0 <= value < np.inf:
            raise ContractError(f"{source}.{name}", value, "a number >= 0")
    return safety


def _shape(raw: Mapping[str, Any], source: str) -> Shape:
    shape = read(Shape, raw, source)
    sizes = look_up(SHAPES, shape.kind, f"{source}.kind")
    for name, expected in (("size", sizes), ("position", ("x", "y", "z"))):
        found = getattr(shape, name)
        if len(found) != len(expected) or not np.isfinite(found).all():
            raise ContractError(f"{source}.{name}", found, f"{len(expected)} numbers: {', '.join(expected)}")
    if min(shape.size) <= 0.0:
        raise ContractError(f"{source}.size", shape.size, "positive numbers")
    return shape
