"""Print which way the cell renders here: egl, osmesa or raycast, with how to get a faster one."""

import os
import subprocess
import sys

DRAW = "import mujoco; mujoco.GLContext(16, 16).make_current()"


def draws(backend: str) -> bool:
    """Whether MuJoCo can draw with ``backend``; in its own process, as a broken driver may abort."""
    run = subprocess.run(
        [sys.executable, "-c", DRAW], env=os.environ | {"MUJOCO_GL": backend}, capture_output=True, timeout=60
    )
    return run.returncode == 0


def main() -> None:
    for backend in ("egl", "osmesa"):
        if draws(backend):
            print(backend)
            return
    print("raycast (no OpenGL found; Debian/Ubuntu: sudo apt install libegl1 libgl1-mesa-dri)")


if __name__ == "__main__":
    main()
