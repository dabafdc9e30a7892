"""Loading components through the libraries that define them: folders, or names that a hub or its cache knows."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from wam_core.errors import ContractError

T = TypeVar("T")

EXTRA = "pip install 'wam[published]'"


def place(name_or_path: str, part: str) -> str:
    """The folder of ``part`` (``vae``, ``text_encoder``, ...): a pipeline's folder holds it, or it is named itself."""
    folder = Path(name_or_path)
    return str(folder / part) if (folder / part).is_dir() else name_or_path


def loaded(field: str, name_or_path: str, load: Callable[[], T]) -> T:
    """What ``load`` returns; what a library says of missing packages, files or a missing hub is one error.

    Raises:
        ContractError: names ``field`` and where it was looked for.
    """
    try:
        return load()
    except ContractError:
        raise
    except ImportError as error:
        raise ContractError(field, str(error), f"the packages of the extra `published`: {EXTRA}") from error
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        expected = "a folder as the library saves it, or a name that is in its cache or on a hub within reach"
        raise ContractError(field, f"{name_or_path}: {reason}", expected) from error
