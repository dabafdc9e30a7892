"""Meta-World: a Sawyer over a table, 50 tasks with scripted experts."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .serve import Simulation, main

#: Pixels of an image.
SIZE = 64
#: Camera of the embodiment -> the benchmark's name for it.
CAMERAS = {"corner": "corner2", "gripper": "gripperPOV"}
#: Where ``corner`` hangs (m): nearer than the benchmark has it, so that objects are more than two pixels.
CORNER = (0.75, 0.075, 0.7)


class Metaworld(Simulation):
    """Objects and goals lie where the seed says, anew at every reset, within the ranges of the benchmark itself.

    The policy is shown no more than two cameras, the hand's position and its opening; the expert sees it all.
    """

    _env: Any
    _renderer: Any
    _expert: Any

    def __init__(self) -> None:
        os.environ.setdefault("MUJOCO_GL", "egl")
        from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
        from metaworld.policies import ENV_POLICY_MAP

        self._classes = {name[: -len("-goal-observable")]: c for name, c in ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE.items()}
        self._experts = ENV_POLICY_MAP
        self._task = ""

    def tasks(self) -> list[str]:
        return sorted(self._classes)

    def reset(self, task: str, seed: int) -> str:
        if task != self._task:
            self._enter(task)
        self._env.seed(seed)
        self._seen, _ = self._env.reset()
        return " ".join(task.split("-")[:-1])

    def _enter(self, task: str) -> None:
        """Another task: its scene, its expert, and its pictures without what takes long and shows little."""
        import mujoco

        if self._task:
            self._renderer.close()
            self._env.close()
        self._env = self._classes[task](seed=None)
        # As it comes, the class freezes the first draw: object and goal would be at one place for ever.
        self._env.seeded_rand_vec, self._env._freeze_rand_vec = True, False
        self._expert, self._task = self._experts[task](), task
        model = self._env.model
        model.vis.quality.offsamples = 0
        model.cam_pos[model.camera("corner2").id] = CORNER
        self._renderer = mujoco.Renderer(model, SIZE, SIZE)
        flags = mujoco.mjtRndFlag
        self._off = [int(flag) for flag in (flags.mjRND_SHADOW, flags.mjRND_REFLECTION, flags.mjRND_SKYBOX)]

    def observe(self, cameras: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        return {name: self._image(name) for name in cameras}, self._seen[:4]

    def _image(self, camera: str) -> np.ndarray:
        self._renderer.update_scene(self._env.data, CAMERAS[camera])
        for flag in self._off:
            self._renderer.scene.flags[flag] = 0
        image: np.ndarray = self._renderer.render()
        # The benchmark hangs this camera upside down.
        return image[::-1, ::-1] if camera == "corner" else image

    def step(self, action: np.ndarray) -> tuple[bool, bool]:
        self._seen, _, _, over, info = self._env.step(np.clip(action, -1.0, 1.0))
        return bool(info["success"]), bool(over)

    def expert(self) -> np.ndarray | None:
        action: np.ndarray = np.clip(self._expert.get_action(self._seen), -1.0, 1.0)
        return action


if __name__ == "__main__":
    main(Metaworld)
