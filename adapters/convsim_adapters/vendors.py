"""Importing what an extra brings; where it is missing, saying which one."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["import_vendor"]


def import_vendor(name: str, *, extra: str) -> Any:
    """Import a module of somebody else's. Raises `InvalidSpec` with the line that installs it.

    >>> import_vendor("json", extra="cli").loads("7")
    7
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        what = f"is not installed, and this needs it: pip install 'convsim-fp[{extra}]'"
        raise InvalidSpec([Problem(name, what)]) from error
