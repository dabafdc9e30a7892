"""LIBERO: a Franka in households, five suites of tasks; demonstrations are data sets, there is no expert."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .serve import Simulation, main

#: Pixels of an image, as the embodiment has it.
SIZE = 512
#: Suite -> steps of an episode at most: what its longest demonstration needs, and some more, as is usual.
LIMITS = {"libero_spatial": 220, "libero_object": 280, "libero_goal": 300, "libero_10": 520, "libero_90": 400}
#: Steps in which objects fall to rest before anything is seen.
SETTLE_STEPS = 10
#: Camera of the embodiment -> LIBERO's observation; as rendered, which is upside down.
CAMERAS = {"agent": "agentview_image", "wrist": "robot0_eye_in_hand_image"}


def axis_angle(quaternion: np.ndarray) -> np.ndarray:
    """``[3]`` rad of a unit quaternion x y z w, its sign kept: data sets have angles up to 2 pi."""
    w = float(np.clip(quaternion[3], -1.0, 1.0))
    sine = float(np.sqrt(1.0 - w * w))
    return np.zeros(3) if sine < 1e-8 else np.asarray(quaternion[:3]) * (2.0 * np.arccos(w) / sine)


def controller_action(action: np.ndarray) -> np.ndarray:
    """The embodiment's action as the controller takes it: its gripper is -1 to open and 1 to close."""
    return np.append(action[:6], 1.0 - 2.0 * action[6])


class Libero(Simulation):
    """A task's recorded initial states, the one that the seed says (modulo how many there are)."""

    _env: Any

    def __init__(self) -> None:
        os.environ.setdefault("MUJOCO_GL", "egl")
        from libero.libero import benchmark

        suites = {name: benchmark.get_benchmark_dict()[name]() for name in LIMITS}
        self._tasks = {
            f"{name}/{suite.get_task(i).name}": (name, suite, i)
            for name, suite in suites.items()
            for i in range(suite.n_tasks)
        }
        self._task = ""

    def tasks(self) -> list[str]:
        return list(self._tasks)

    def reset(self, task: str, seed: int) -> str:
        name, suite, number = self._tasks[task]
        described = suite.get_task(number)
        if task != self._task:
            self._enter(described)
            self._task, self._starts, self._limit = task, suite.get_task_init_states(number), LIMITS[name]
        self._env.seed(seed)
        self._env.reset()
        self._seen = self._env.set_init_state(self._starts[seed % len(self._starts)])
        still = controller_action(np.append(np.zeros(6), 1.0))
        for _ in range(SETTLE_STEPS):
            self._seen = self._env.step(still)[0]
        self._steps = 0
        return str(described.language)

    def _enter(self, described: Any) -> None:
        from libero.libero import get_libero_path
        from libero.libero.envs import OffScreenRenderEnv

        if self._task:
            self._env.close()
        file = os.path.join(get_libero_path("bddl_files"), described.problem_folder, described.bddl_file)
        self._env = OffScreenRenderEnv(bddl_file_name=file, camera_heights=SIZE, camera_widths=SIZE)

    def observe(self, cameras: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        seen = self._seen
        state = (seen["robot0_eef_pos"], axis_angle(seen["robot0_eef_quat"]), seen["robot0_gripper_qpos"])
        return {name: seen[CAMERAS[name]] for name in cameras}, np.concatenate(state)

    def step(self, action: np.ndarray) -> tuple[bool, bool]:
        self._seen, _, done, _ = self._env.step(controller_action(action))
        self._steps += 1
        return bool(done), self._steps >= self._limit

    def expert(self) -> np.ndarray | None:
        return None


if __name__ == "__main__":
    main(Libero)
