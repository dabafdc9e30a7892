"""The robot files, for tests that must hold for every arm."""

from wam_core.paths import share_path

ARMS = tuple(sorted(path.stem for path in share_path("config/robots").glob("*.yaml")))
