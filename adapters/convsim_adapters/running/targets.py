"""What a name on the command line stands for: an attribute of a module, a URL, a model."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from convsim_adapters.hiding import secrets_of_environment, without_secrets
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["is_target", "is_url", "load_target"]

TARGET = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
URL = re.compile(r"https?://", re.IGNORECASE)
EXPECTED = "package.module:attribute"
MAX_SHOWN = 300


def is_url(name: str) -> bool:
    """Whether a name is an address of the web."""
    return URL.match(name) is not None


def is_target(name: str) -> bool:
    """Whether a name has the form ``package.module:attribute``.

    >>> is_target("shop.agent:Desk"), is_target("openai/gpt-5"), is_target("openai:/gpt-5")
    (True, False, False)
    """
    return TARGET.fullmatch(name) is not None


def load_target(name: str, field: str) -> object:
    """Import ``package.module:attribute``; the working directory is importable.

    Raises `InvalidSpec`, in whose problem `field` says what the name was given for.
    """
    if not is_target(name):
        _refuse(field, f"is {name!r:.80}, expected {EXPECTED}, or a URL for an agent")
    module_name, _, path = name.partition(":")
    _working_directory_first()
    found: object = _module(module_name, field)
    seen = module_name
    for part in path.split("."):
        if not hasattr(found, part):
            _refuse(field, f"is {name!r}, but {seen} has no {part!r}{_meant(part, dir(found))}")
        found = getattr(found, part)
        seen = f"{seen}.{part}"
    return found


def _module(name: str, field: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            _refuse(field, f"cannot be imported: {_cause(error)}; install it, or mend the import")
        here = [path.stem for path in Path.cwd().glob("*.py")]
        where = f"in {Path.cwd()} or among what is installed"
        _refuse(field, f"names the module {name!r}, which is not {where}{_meant(name, here)}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  the user's code, which may call exit() too
        _refuse(field, f"cannot be imported: {_cause(error)}")


def _cause(error: BaseException) -> str:
    """The error and the last line of the user's own code that it came through."""
    said = error.msg if isinstance(error, SyntaxError) else error  # its own words say where, too
    words = without_secrets(f"{type(error).__name__}: {said}", secrets_of_environment(os.environ))
    words = " ".join(words.split())[:MAX_SHOWN]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{words} in {error.filename}:{error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    return f"{words} in {frames[-1].filename}:{frames[-1].lineno}" if len(frames) > 1 else words


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _working_directory_first() -> None:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # it stays: the target may import its neighbours later


def _refuse(field: str, what: str) -> NoReturn:
    raise InvalidSpec([Problem(field, what)])
