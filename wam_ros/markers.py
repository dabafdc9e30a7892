"""What is drawn into the robot's space, as markers in its base frame.

RViz warns of a marker with a side of length 0, of a second with the same namespace and number, and of a quaternion that
is none; nothing here has these.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from wam_core.contract import FloatArray
from wam_core.viewing.ghost import Solid
from wam_core.viewing.plan import Seam, ToolPath

Colour = tuple[float, float, float]

TUBE: Colour = (0.2, 0.8, 0.5)
GHOST: Colour = (0.4, 0.7, 1.0)
GOOD, BAD = (0.3, 0.8, 0.3), (0.9, 0.2, 0.1)
#: A seam of this many metres is drawn in full red.
WORST_GAP = 0.01
#: Tubes and seams are never thinner than this (m): a marker without width is a warning.
THINNEST = 0.001

SHAPES: Mapping[str, int] = {"box": Marker.CUBE, "cylinder": Marker.CYLINDER, "sphere": Marker.SPHERE}


def plan_markers(header: Header, path: ToolPath, seams: Sequence[Seam], ghost: Sequence[Solid]) -> MarkerArray:
    """Balls as wide as successive chunks disagree, a point at each seam with its gap, and the arm at the end."""
    markers = [_ball(header, "disagreement", position, radius, TUBE, 0.25) for position, radius in _tube(path)]
    for seam in seams:
        markers.append(_ball(header, "seams", seam.position, 0.006, _between(seam.gap / WORST_GAP), 0.9))
        label = _marker(header, "seam gaps", Marker.TEXT_VIEW_FACING, (0.0, 0.0, 0.012), (1.0, 1.0, 1.0), 0.9)
        label.pose.position = _point(seam.position + (0.0, 0.0, 0.015))
        label.text = f"{1e3 * seam.gap:.1f} mm"
        markers.append(label)
    for solid in ghost:
        marker = _marker(header, "arm at the end", SHAPES[solid.kind], solid.size, GHOST, 0.2)
        marker.pose.position = _point(solid.position)
        turn = marker.pose.orientation
        turn.x, turn.y, turn.z, turn.w = solid.quaternion.tolist()
        markers.append(marker)
    return _numbered(header, markers)


def line_markers(header: Header, lines: Mapping[str, FloatArray]) -> MarkerArray:
    """Lines ``[N, T + 1, 3]`` (m, base frame) by name, blue where they begin and red where they end."""
    markers = []
    for name, found in lines.items():
        if len(found):
            marker = _marker(header, name, Marker.LINE_LIST, (0.001, 0.0, 0.0), (1.0, 1.0, 1.0), 1.0)
            last = found.shape[1] - 1
            pairs = np.stack((found[:, :-1], found[:, 1:]), axis=2).reshape(-1, 3)
            marker.points = [_point(position) for position in pairs]
            shares = np.stack((np.arange(last), np.arange(1, last + 1)), axis=-1).reshape(-1) / max(last, 1)
            marker.colors = [_colour((s, 0.3, 1.0 - s), 1.0) for s in shares.tolist()] * len(found)
            markers.append(marker)
    return _numbered(header, markers)


def _tube(path: ToolPath) -> list[tuple[FloatArray, float]]:
    known = np.isfinite(path.radii)
    return list(zip(path.positions[known], path.radii[known].tolist(), strict=True))


def _ball(header: Header, name: str, position: FloatArray, radius: float, colour: Colour, alpha: float) -> Marker:
    marker = _marker(header, name, Marker.SPHERE, (2.0 * max(radius, THINNEST),) * 3, colour, alpha)
    marker.pose.position = _point(position)
    return marker


def _marker(
    header: Header, name: str, kind: int, size: tuple[float, float, float], colour: Colour, alpha: float
) -> Marker:
    marker = Marker(header=header, ns=name, type=kind, action=Marker.ADD, color=_colour(colour, alpha))
    marker.scale.x, marker.scale.y, marker.scale.z = size
    marker.pose.orientation.w = 1.0
    return marker


def _numbered(header: Header, markers: list[Marker]) -> MarkerArray:
    """What was drawn before goes; numbers are unique."""
    for number, marker in enumerate(markers):
        marker.id = number
    return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL), *markers])


def _point(position: FloatArray) -> Point:
    x, y, z = position.tolist()
    return Point(x=x, y=y, z=z)


def _colour(colour: Colour, alpha: float) -> ColorRGBA:
    red, green, blue = colour
    return ColorRGBA(r=red, g=green, b=blue, a=alpha)


def _between(share: float) -> Colour:
    """From good to bad."""
    red, green, blue = (a + min(share, 1.0) * (b - a) for a, b in zip(GOOD, BAD, strict=True))
    return red, green, blue
