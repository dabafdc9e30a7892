"""RoboTwin 2.0: two arms, tasks with generated instructions. Its checkout is named by the variable ``ROBOTWIN``."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import numpy as np

from .serve import Simulation, main

#: Settings of the benchmark: tables as in demonstrations, and cluttered ones in changing light.
SETTINGS = ("demo_clean", "demo_randomized")
#: Cameras of the embodiment -> RoboTwin's. Of this type their images have the embodiment's size.
CAMERAS = {"head": "head_camera", "left_wrist": "left_camera", "right_wrist": "right_camera"}
CAMERA_TYPE = "Large_D435"
#: Seeds of scenes that are tried for one of ours until there is one that RoboTwin's own expert solves, as it demands.
FIRST_SCENE, SCENES = 100_000, 100
#: Instructions that are drawn from, none of them in demonstrations.
UNSEEN, DRAWN = "unseen", 100


class Robotwin(Simulation):
    """A scene that can be solved, and one of its unseen instructions, both as the seed says."""

    _env: Any = None

    def __init__(self) -> None:
        root = os.environ.get("ROBOTWIN", "")
        if not os.path.isdir(os.path.join(root, "task_config")):
            raise FileNotFoundError(f"ROBOTWIN={root!r}: name the folder of RoboTwin's checkout in it")
        # It reads its files relative to where it is.
        os.chdir(root)
        sys.path += [root, os.path.join(root, "description", "utils")]
        files = sorted(os.listdir("envs"))
        names = [name[:-3] for name in files if name.endswith(".py") and not name.startswith("_")]
        self._tasks = {f"{settings}/{name}": (settings, name) for settings in SETTINGS for name in names}

    def tasks(self) -> list[str]:
        return list(self._tasks)

    def reset(self, task: str, seed: int) -> str:
        from generate_episode_instructions import generate_episode_descriptions

        settings, name = self._tasks[task]
        if self._env is not None:
            self._env.close_env()
        self._env = getattr(importlib.import_module(f"envs.{name}"), name)()
        arguments = settings_of(settings, name)
        scene, info = self._solvable(arguments, seed)
        self._env.setup_demo(now_ep_num=0, seed=scene, is_test=True, **arguments)
        said = generate_episode_descriptions(name, [info], DRAWN)[0][UNSEEN]
        instruction = str(np.random.default_rng(seed).choice(said))
        self._env.set_instruction(instruction=instruction)
        return instruction

    def _solvable(self, arguments: dict[str, Any], seed: int) -> tuple[int, Any]:
        """The first scene that the benchmark's expert solves, and what is in it."""
        for scene in range(FIRST_SCENE + seed * SCENES, FIRST_SCENE + (seed + 1) * SCENES):
            try:
                self._env.setup_demo(now_ep_num=0, seed=scene, is_test=True, **arguments)
                info = self._env.play_once()["info"]
                solved = self._env.plan_success and self._env.check_success()
            except Exception:  # a scene that falls over raises, too
                solved = False
            self._env.close_env()
            if solved:
                return scene, info
        raise RuntimeError(f"no scene that its expert solves among {SCENES}")

    def observe(self, cameras: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        seen = self._env.get_obs()
        images = {name: np.asarray(seen["observation"][CAMERAS[name]]["rgb"], np.uint8) for name in cameras}
        return images, np.asarray(seen["joint_action"]["vector"], np.float64)

    def step(self, action: np.ndarray) -> tuple[bool, bool]:
        self._env.take_action(action, action_type="qpos")
        return bool(self._env.eval_success), self._env.take_action_cnt >= self._env.step_lim

    def expert(self) -> np.ndarray | None:
        return None


def settings_of(settings: str, task: str) -> dict[str, Any]:
    """What RoboTwin's own evaluation puts together of its files, with both kinds of cameras of :data:`CAMERA_TYPE`."""
    found = _yaml(f"{settings}.yml")
    camera = _yaml("_camera_config.yml")[CAMERA_TYPE]
    kinds, bodies = found["embodiment"], _yaml("_embodiment_config.yml")
    left, right = (bodies[kinds[min(side, len(kinds) - 1)]]["file_path"] for side in (0, 1))
    found["camera"].update(
        head_camera_type=CAMERA_TYPE, wrist_camera_type=CAMERA_TYPE, collect_head_camera=True, collect_wrist_camera=True
    )
    found.update(task_name=task, task_config=settings, eval_mode=True, render_freq=0, eval_video_log=False)
    found.update(head_camera_h=camera["h"], head_camera_w=camera["w"], left_robot_file=left, right_robot_file=right)
    found.update(dual_arm_embodied=len(kinds) == 1, embodiment_dis=kinds[2] if len(kinds) == 3 else None)
    found.update(left_embodiment_config=_yaml(os.path.join("..", left, "config.yml")))
    found.update(right_embodiment_config=_yaml(os.path.join("..", right, "config.yml")))
    return found


def _yaml(name: str) -> Any:
    import yaml

    with open(os.path.join("task_config", name), encoding="utf-8") as file:
        return yaml.safe_load(file)


if __name__ == "__main__":
    main(Robotwin)
