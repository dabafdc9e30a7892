"""Where the package's data files (config, urdf, launch, checkpoints) lie: in a checkout or in a ROS install."""

import os
from pathlib import Path

from wam_core.errors import ContractError


def share_path(relative: str) -> Path:
    """Absolute path of a shipped file or folder.

    Raises:
        ContractError: it exists neither beside the package (a checkout) nor in an ament share folder.
    """
    checkout = Path(__file__).resolve().parent.parent
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    places = [checkout, *(Path(p) / "share" / "wam" for p in prefixes)]
    for place in places:
        if (place / relative).exists():
            return place / relative
    raise ContractError("path", relative, f"a file under one of {', '.join(map(str, places))}")
