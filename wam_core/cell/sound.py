"""What a microphone in the cell hears: bodies that are struck ring, bodies that slide hiss. Nothing else makes a sound.

Modal synthesis (van den Doel and Pai 1998, "The Sounds of Physical Shapes"): a body is a bank of decaying sinusoids,
excited by the force of its contacts. A rise of normal force strikes it; sliding under normal force rubs it with noise
(van den Doel, Kry and Pai 2001, "FoleyAutomatic"). Motors, gears and the room are silent.
"""

import zlib
from collections.abc import Mapping

import mujoco
import numpy as np

from wam_core.contract import FloatArray

#: Modes of a body, their frequencies (Hz) and the time in which one falls to 1/e (s).
MODES = 8
FREQUENCIES, DECAYS = (250.0, 3200.0), (0.006, 0.05)
#: Full scale for each N by which a contact's force rises within a tick, and for each W that sliding takes.
STRIKE, RUB = 0.008, 0.2
#: A rise of less (N), and sliding of less (m/s), is what a body at rest does in a simulation.
QUIET_FORCE, QUIET_SLIDE = 0.15, 0.004
#: Objects that were put on the table sink into their contacts for this long (s). Real ones did so long ago.
SETTLING_S = 0.1
#: What is kept of the past (s).
KEPT_S = 0.5


class Microphone:
    """Hears one compiled scene, tick by tick. The same motion and seed give the same samples."""

    def __init__(self, model: mujoco.MjModel, rate_hz: float) -> None:
        """``rate_hz`` must be a multiple of the simulation's rate."""
        self._model = model
        self.per_tick = round(rate_hz * model.opt.timestep)
        self._bodies = {i: _modes(model.body(i).name) for i in range(model.nbody)}
        steps = np.arange(self.per_tick)
        self._poles = {
            i: np.exp((2j * np.pi * frequency - 1.0 / decay) / rate_hz)
            for i, (frequency, decay) in self._bodies.items()
        }
        # Response of each mode to an input at an earlier or the same sample of the tick.
        self._ringing = {i: pole[:, None] ** (steps + 1) for i, pole in self._poles.items()}
        lag = steps[:, None] - steps
        self._rubbed = {
            i: np.where(lag >= 0, pole[:, None, None] ** np.maximum(lag, 0), 0.0) for i, pole in self._poles.items()
        }
        self._samples = np.zeros(round(KEPT_S * rate_hz), np.float32)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Silence: a scene begins at rest."""
        self._rng = np.random.default_rng((seed, zlib.crc32(b"sound")))
        self._state: dict[int, np.ndarray] = {}
        self._forces: dict[tuple[int, int], float] = {}
        self._settling = round(SETTLING_S / self._model.opt.timestep)
        self._samples[:] = 0.0

    def last(self, samples: int) -> np.ndarray:
        """float32 ``[samples]`` -1..1, up to now."""
        return self._samples[len(self._samples) - samples :].copy()

    def tick(self, data: mujoco.MjData) -> None:
        """Hear the tick that has just been simulated."""
        forces, rubbing = _contacts(self._model, data)
        inputs: dict[int, FloatArray] = {}
        for pair, force in forces.items():
            rise = force - self._forces.get(pair, 0.0)
            struck = STRIKE * rise if rise > QUIET_FORCE else 0.0
            rubbed = RUB * rubbing.get(pair, 0.0)
            if (struck or rubbed) and not self._settling:
                signal = rubbed * self._rng.standard_normal(self.per_tick)
                signal[0] += struck
                for body in pair:
                    inputs[body] = inputs.get(body, np.zeros(self.per_tick)) + signal
        self._forces, self._settling = forces, max(self._settling - 1, 0)
        self._sound(inputs)

    def _sound(self, inputs: Mapping[int, FloatArray]) -> None:
        out = np.zeros(self.per_tick)
        for body in self._state.keys() | inputs.keys():
            state = self._state.get(body, np.zeros(MODES, np.complex128))
            ringing = state[:, None] * self._ringing[body]
            if body in inputs:
                ringing = ringing + self._rubbed[body] @ inputs[body]
            out += ringing.imag.sum(axis=0) / MODES
            self._state[body] = ringing[:, -1]
        self._state = {body: state for body, state in self._state.items() if np.abs(state).max() > 1e-7}
        self._samples = np.roll(self._samples, -self.per_tick)
        self._samples[-self.per_tick :] = np.tanh(out)


def _modes(name: str) -> tuple[FloatArray, FloatArray]:
    """Frequencies and decay times of a body, its own by its name; high modes die first."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    low, high = np.log(FREQUENCIES)
    frequency = np.exp(np.sort(rng.uniform(low, high, MODES)))
    return frequency, np.geomspace(DECAYS[1], DECAYS[0], MODES)


def _contacts(
    model: mujoco.MjModel, data: mujoco.MjData
) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int], float]]:
    """Normal force (N), and power of sliding (W) where something slides, of each pair of bodies that touch."""
    forces: dict[tuple[int, int], float] = {}
    rubbing: dict[tuple[int, int], float] = {}
    if not data.ncon:
        return forces, rubbing
    pressed = np.zeros((data.ncon, 6))
    for i, row in enumerate(pressed):
        mujoco.mj_contactForce(model, data, i, row)
    bodies = np.sort(model.geom_bodyid[data.contact.geom].reshape(-1, 2), axis=1)
    turning, moving = data.cvel[bodies, :3], data.cvel[bodies, 3:]
    arm = data.contact.pos[:, None] - data.subtree_com[model.body_rootid[bodies]]
    velocity = moving + np.cross(turning, arm)
    across = data.contact.frame.reshape(-1, 3, 3)[:, 1:] @ (velocity[:, 1] - velocity[:, 0])[..., None]
    speeds, rubs = np.hypot(*across[..., 0].T), np.hypot(*pressed[:, 1:3].T)
    for (first, second), press, speed, rub in zip(bodies.tolist(), pressed[:, 0], speeds, rubs, strict=True):
        pair = (first, second)
        forces[pair] = forces.get(pair, 0.0) + float(press)
        if speed > QUIET_SLIDE:
            rubbing[pair] = rubbing.get(pair, 0.0) + float(speed * rub)
    return forces, rubbing
