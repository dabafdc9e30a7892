"""What an episode may differ in from every demonstration: where objects lie, in which shades, how cameras stand."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wam_core.cell.scene import COLOURS, Displacement

#: Other shades that the same words name: by hue nearest to the word's own colour, and that at no brightness.
SHADES: Mapping[str, tuple[float, float, float]] = {
    "red": (0.66, 0.10, 0.30),
    "green": (0.46, 0.78, 0.30),
    "blue": (0.36, 0.56, 0.96),
    "yellow": (0.84, 0.68, 0.32),
}


@dataclass(frozen=True)
class Variation:
    """How episodes are laid out.

    Attributes:
        about: what is held out.
        border: objects lie in the border of their task's areas (:class:`wam_core.cell.tasks.area.Area`), not inside.
        shades: word -> RGB of what it names, 0..1.
        cameras: how far each stands from its nominal pose, which is the one that the robot file says.
    """

    about: str
    border: bool
    shades: Mapping[str, tuple[float, float, float]]
    cameras: Displacement


#: Demonstrations are never varied.
_PLAIN = Variation("nothing", False, COLOURS, Displacement(metres=(0.0, 0.005), radians=(0.0, 0.007)))

#: Each but the first holds out one thing from demonstrations; everything else is drawn as they draw it.
VARIATIONS: Mapping[str, Variation] = {
    "none": _PLAIN,
    "places": replace(_PLAIN, about="objects in a border of 3 to 5 cm around where they lay", border=True),
    "colours": replace(_PLAIN, about="other shades of the colours that are named", shades=SHADES),
    "camera": replace(
        _PLAIN,
        about="each camera moved along each axis by 2 to 3 cm and turned about it by 0.03 to 0.05 rad",
        cameras=Displacement(metres=(0.02, 0.03), radians=(0.03, 0.05)),
    ),
}
