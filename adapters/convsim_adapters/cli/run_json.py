"""What is written of a run in its ``run.json``, as far as it can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

__all__ = ["SETTINGS", "settings_of", "status_of"]

SETTINGS = "run.json"


def settings_of(directory: Path) -> Mapping[str, object]:
    """What was written; nothing where there is none, or something else."""
    try:
        read: object = json.loads((directory / SETTINGS).read_text("ascii"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", read) if isinstance(read, dict) else {}


def status_of(directory: Path) -> str:
    """Whether it runs, has finished, or what stopped it; empty where nothing says so."""
    return str(settings_of(directory).get("status", ""))
