"""Enter the checkout's environment (scripts/env.sh) once, so that `wam` and the tests work from a bare shell."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "env.sh"


def missing() -> bool:
    """Whether this process runs in a set-up checkout without its environment.

    An installed package (colcon) has no script: there the workspace's own set-up file was sourced.
    """
    built = SCRIPT.is_file() and (ROOT / "install" / "wam_msgs").is_dir()
    return built and os.environ.get("WAM_ENV") != str(ROOT)


def enter() -> None:
    """Start this very command again inside the environment, unless it is in it already.

    The search path of shared libraries is read only when a process starts, hence the restart.
    """
    if missing():
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execvp("bash", ["bash", "-c", 'source "$0" && exec "$@"', str(SCRIPT), *command])
