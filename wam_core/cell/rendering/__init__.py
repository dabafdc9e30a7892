"""Pictures of the scene: hardware or software OpenGL where it works, ray casting everywhere."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping

import mujoco

from wam_core.cell.rendering.gl import EglRenderer, OsMesaRenderer
from wam_core.cell.rendering.raycast import RayCastRenderer
from wam_core.cell.rendering.renderer import Renderer
from wam_core.errors import ContractError, look_up

#: Every way to render, in the order of preference.
RENDERERS: Mapping[str, Callable[[mujoco.MjModel], Renderer]] = {
    "egl": EglRenderer,
    "osmesa": OsMesaRenderer,
    "raycast": RayCastRenderer,
}

PROBE_SECONDS = 60.0


def choose_renderer(name: str) -> str:
    """Name of the renderer to use: ``name`` itself, or for ``auto`` the first of :data:`RENDERERS` that works here.

    Raises:
        ContractError: unknown name, or the named renderer does not work on this machine.
    """
    if name == "auto":
        return next(candidate for candidate in RENDERERS if works(candidate))
    look_up(RENDERERS, name, "renderer")
    if not works(name):
        raise ContractError("renderer", name, "one that works on this machine (auto picks one)")
    return name


@functools.cache
def works(name: str) -> bool:
    """Whether a renderer draws a test picture right; tried in a process of its own, as a bad GL driver may crash."""
    if RENDERERS[name] is RayCastRenderer:
        return True
    probe = [sys.executable, "-m", "wam_core.cell.rendering.probe", name]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p) or "."}
    try:
        done = subprocess.run(probe, env=environment, capture_output=True, timeout=PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
