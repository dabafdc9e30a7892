"""What there is to look at for a preset on a robot: the topics of wam_futures and of the cameras, as one list."""

from collections.abc import Collection
from dataclasses import dataclass

from wam_core.data import messages
from wam_core.preset import Preset
from wam_core.robot.contract import RobotContract
from wam_core.viewing.in_space import MOTIONS
from wam_core.viewing.pictures import LAYERS, MAPS, OF_NO_CAMERA, PICTURES

NODE = "/wam_futures"
#: Kinds that are points in space, the best first.
SOLID = ("cloud", "depth")


@dataclass(frozen=True)
class Display:
    """One thing to look at.

    Attributes:
        kind: ``image``, ``markers``, ``path``, ``points`` or ``robot``.
        sensor: whether it is sent as sensors send, best effort.
        at_once: whether it is shown without being switched on.
    """

    name: str
    topic: str
    kind: str
    sensor: bool = False
    at_once: bool = True


def kinds_shown(preset: Preset) -> tuple[str, ...]:
    """The kinds of futures that a preset's model publishes, layer by layer, in the order of :data:`PICTURES`."""
    whole = {preset.substrates[group.substrate].shows for group in preset.futures()}
    kinds = {layer for kind in whole for layer in LAYERS.get(kind, (kind,))}
    kinds |= {"nearest"} if "features" in kinds else set()
    kinds |= {"cloud"} if {"video", "depth"} <= kinds else set()
    return tuple(kind for kind in PICTURES if kind in kinds)


def displays(robot: RobotContract, cameras: Collection[str], kinds: Collection[str]) -> list[Display]:
    """What can be shown when a model that looks at ``cameras`` publishes futures of these ``kinds``."""
    found = [
        Display("Robot", messages.DESCRIPTION_TOPIC, "robot"),
        Display("Planned path", f"{NODE}/path", "path"),
        Display("Plan: disagreement, seams, arm at the end", f"{NODE}/plan", "markers"),
    ]
    for kind in kinds:
        found.append(Display(f"Imagined {kind}", f"{NODE}/{kind}/film_strip", "image"))
        if kind in OF_NO_CAMERA:
            continue
        if kind != "nearest":
            found.append(Display(f"Imagined {kind} beside measured", f"{NODE}/{kind}/comparison", "image"))
        for camera in cameras:
            playing = f"Playback of {kind}, {camera}"
            found.append(Display(playing, f"{NODE}/{kind}/{camera}/imagined", "image", at_once=False))
            if kind in MAPS:
                found.append(Display(f"{kind} over {camera}", f"{NODE}/{kind}/{camera}/over_live", "image"))
        if kind in MOTIONS:
            found.append(Display(f"Lines of {kind}", f"{NODE}/{kind}/lines", "markers"))
    solid = [kind for kind in SOLID if kind in kinds][:1]
    found += [Display(f"Points of {kind}", f"{NODE}/{kind}/points", "points") for kind in solid]
    if "video" in kinds:
        found.append(Display("Surprise", f"{NODE}/surprise_overlay", "image"))
    live = [Display(f"Camera {c.name}", c.topic, "image", True, c.name in cameras) for c in robot.cameras]
    return found + live
