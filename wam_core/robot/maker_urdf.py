"""A maker's URDF as one that is simulated and kept from colliding: boxes in place of meshes, joints with ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import coal
import numpy as np
from scipy.spatial.transform import Rotation

from wam_core.contract import FloatArray
from wam_core.errors import ContractError

#: Ends of a joint that has none (rad): one turn to each side.
TURN = 6.283


@dataclass(frozen=True)
class Simplified:
    """Attributes: boxes: link -> sides (m) of the boxes that its meshes became. ended: joints that got ends."""

    text: str
    boxes: Mapping[str, tuple[tuple[float, float, float], ...]]
    ended: tuple[str, ...]


def simplified(path: Path, packages: Path) -> Simplified:
    """The URDF at ``path`` with a box around each collision mesh, which is what is seen as well, and without
    continuous joints.

    A box stands along the axes of its mesh, so that it is never smaller than the link, and often fatter.

    Args:
        packages: folder in which the packages of ``package://`` lie.

    Raises:
        ContractError: the file is no URDF, or a mesh is not where it says.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (OSError, ElementTree.ParseError) as error:
        raise ContractError(str(path), str(error), "a URDF; of a xacro file, what `xacro` makes of it") from None
    boxes: dict[str, tuple[tuple[float, float, float], ...]] = {}
    for link in root.iter("link"):
        name, sides = link.get("name", ""), []
        for visual in link.findall("visual"):
            link.remove(visual)
        for collision in link.findall("collision"):
            mesh = collision.find("geometry/mesh")
            if mesh is not None:
                sides.append(_replace(collision, mesh, packages, path.parent))
            link.append(ElementTree.Element("visual"))
            link[-1].extend(list(collision))
        if sides:
            boxes[name] = tuple(sides)
    ended = []
    for joint in root.iter("joint"):
        if joint.get("type") == "continuous":
            limit = joint.find("limit")
            limit = ElementTree.SubElement(joint, "limit", effort="0", velocity="0") if limit is None else limit
            joint.set("type", "revolute")
            limit.set("lower", f"{-TURN}")
            limit.set("upper", f"{TURN}")
            ended.append(joint.get("name", ""))
    ElementTree.indent(root)
    return Simplified(ElementTree.tostring(root, encoding="unicode") + "\n", boxes, tuple(ended))


def _replace(
    collision: ElementTree.Element, mesh: ElementTree.Element, packages: Path, beside: Path
) -> tuple[float, float, float]:
    """Put the box around a mesh in its place; returns its sides."""
    named = mesh.get("filename", "")
    file = packages / named.removeprefix("package://") if "://" in named else beside / named
    if not file.is_file():
        raise ContractError("mesh", named, f"a file, {file}; packages:=<folder> says where packages lie")
    scale = np.array([float(part) for part in mesh.get("scale", "1 1 1").split()])
    shape = coal.MeshLoader().load(str(file), scale)
    shape.computeLocalAABB()
    middle, half = shape.aabb_local.center(), 0.5 * (shape.aabb_local.max_ - shape.aabb_local.min_)
    position, rotation = _placed(collision)
    origin = collision.find("origin")
    origin = ElementTree.SubElement(collision, "origin") if origin is None else origin
    origin.set("xyz", " ".join(f"{value:.6f}" for value in position + rotation.apply(middle)))
    geometry = collision.find("geometry")
    assert geometry is not None
    geometry.remove(mesh)
    x, y, z = (2.0 * half).tolist()
    ElementTree.SubElement(geometry, "box", size=f"{x:.6f} {y:.6f} {z:.6f}")
    return x, y, z


def _placed(collision: ElementTree.Element) -> tuple[FloatArray, Rotation]:
    origin = collision.find("origin")
    told = {} if origin is None else origin.attrib
    xyz, rpy = ([float(part) for part in told.get(key, "0 0 0").split()] for key in ("xyz", "rpy"))
    return np.array(xyz), Rotation.from_euler("xyz", rpy)
