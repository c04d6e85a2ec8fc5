"""Which MLflow this is, and whether the names beneath its public ones were tried with it."""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import version

__all__ = ["PUBLIC_ONLY", "TRIED", "is_tried"]

TRIED = ("3.11", "3.17")
PUBLIC_ONLY = "CONVSIM_MLFLOW_PUBLIC_ONLY"  # of the environment: 1 means that none is used


def is_tried(installed: str | None = None) -> bool:
    """Whether private names of this MLflow may be used; others go the public way, which is slower.

    >>> is_tried("3.17.2"), is_tried("4.0.0")
    (True, False)
    """
    if os.environ.get(PUBLIC_ONLY) == "1":
        return False
    found = _installed() if installed is None else installed
    return ".".join(found.split(".")[:2]) in TRIED


@cache
def _installed() -> str:
    return version("mlflow")
