"""Rows of a study: files that answer a question, and count for that question alone."""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def as_stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they are read back from a file, so that a question equals itself there."""
    return json.loads(json.dumps(values))  # type: ignore[no-any-return]


def read_row(file: Path, question: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is there for this question; None where nothing is, or what answers another one."""
    found: dict[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
    return found if found and found["question"] == question else None


def write_row(file: Path, row: Mapping[str, Any]) -> None:
    """Leave ``row``, which has its ``question``; a kill leaves what was there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(row, indent=1))
    unfinished.replace(file)


def machine() -> str:
    """What times were measured on."""
    threads = f"{torch.get_num_threads()} thread(s)"
    return f"{platform.machine()}, {os.cpu_count()} cores, {threads}, torch {torch.__version__}"
