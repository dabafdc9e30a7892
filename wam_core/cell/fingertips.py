"""Touch images: where the fingertips are pressed, and how hard, taxel by taxel."""

from collections import deque
from typing import NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from wam_core.cell.sensors import FINGERS

#: The part of a finger that feels, in the finger frame (m): x across, z along the finger to its tip.
ACROSS, ALONG = (-0.0101, 0.0101), (0.0229, 0.0491)
#: How far a point of contact is felt in the soft skin (m, standard deviation).
SPREAD = 0.002


class _Press(NamedTuple):
    """A point of contact: m in the finger frame, N along the contact's normal."""

    finger: str
    across: float
    along: float
    force: float


class Skin:
    """The fingertips of one compiled scene, tick by tick.

    A touch image is exposed like a picture: it is the mean over the ticks of its exposure, so that a touch between two
    images is felt, too. The skin wraps around the fingertip, as the taxels do: what presses from another side is felt
    at its place across and along the finger.
    """

    def __init__(self, model: mujoco.MjModel, exposure_s: float) -> None:
        self._model = model
        self._bodies = {model.body(name).id: finger for finger, name in FINGERS.items()}
        self._ticks: deque[list[_Press]] = deque(maxlen=round(exposure_s / model.opt.timestep))

    def reset(self) -> None:
        """Nothing has been touched yet."""
        self._ticks.clear()

    def tick(self, data: mujoco.MjData) -> None:
        """Feel the tick that has just been simulated."""
        pressed, force = [], np.zeros(6)
        bodies = self._model.geom_bodyid[data.contact.geom].reshape(-1, 2)
        for i in np.flatnonzero(np.isin(bodies, list(self._bodies)).any(axis=1)):
            body = next(int(b) for b in bodies[i] if b in self._bodies)
            across, _, along = data.xmat[body].reshape(3, 3).T @ (data.contact.pos[i] - data.xpos[body])
            if ALONG[0] - SPREAD < along < ALONG[1] + SPREAD:
                mujoco.mj_contactForce(self._model, data, i, force)
                pressed.append(_Press(self._bodies[body], across, along, max(float(force[0]), 0.0)))
        self._ticks.append(pressed)

    def image(self, finger: str, rows: int, columns: int) -> NDArray[np.float32]:
        """``[rows, columns]`` N on each taxel; their sum is the mean normal force on the fingertip.

        Args:
            finger: ``left`` or ``right``.
        """
        edges = np.linspace(*ALONG, rows + 1), np.linspace(*ACROSS, columns + 1)
        down, right = ((e[1:] + e[:-1]) / 2 for e in edges)
        image = np.zeros((rows, columns))
        for press in (p for pressed in self._ticks for p in pressed if p.finger == finger):
            spread = np.exp(-((down[:, None] - press.along) ** 2 + (right - press.across) ** 2) / (2 * SPREAD**2))
            image += press.force * spread / spread.sum()
        return (image / max(self._ticks.maxlen or 1, 1)).astype(np.float32)
