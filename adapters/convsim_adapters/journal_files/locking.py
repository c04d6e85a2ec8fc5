"""One run at a time for each directory: locks of the system, which no kill leaves behind.

A run that shares its sessions with other processes has a lock of each of their segments beside its
own: they end with it, but where it was killed some of them may write for a moment more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from time import monotonic
from typing import Any, cast

from convsim_adapters.journal_files.places import (
    HELD,
    JOURNAL,
    LOCK,
    OWNER,
    PRIVATE,
    as_seen,
    lock_of,
)
from convsim_adapters.vendors import import_vendor
from convsim_fp.errors import JournalError

__all__ = ["RunInUse", "held", "locked"]

PATIENCE = 5.0  # seconds that the workers of a killed run have to end


class RunInUse(JournalError):
    """Another process writes the files of this run."""


@contextmanager
def locked(directory: Path) -> Generator[None]:
    """Hold the lock of a run's directory, which exists, as long as the block goes on.

    Raises `RunInUse` that names the process which holds it, and `JournalError` where the directory
    cannot be written. The lock of a process that was killed is free; what its workers still write
    is waited for.
    """
    filelock = import_vendor("filelock", extra="cli")
    journal = directory / JOURNAL
    try:
        journal.mkdir(exist_ok=True)
        lock = filelock.FileLock(journal / LOCK, timeout=0, mode=PRIVATE, thread_local=False)
        lock.acquire()
    except filelock.Timeout:
        shown = as_seen(directory)
        raise RunInUse(f"{shown} is in use{_owner(journal)}; wait for it, or stop it") from None
    except OSError as error:
        shown = as_seen(directory)
        raise JournalError(f"{shown} cannot be written: {error.strerror}") from error
    try:
        _wait_for_workers(journal)
        _sign(journal / OWNER)
        yield
    finally:
        with suppress(OSError):
            (journal / OWNER).unlink()
        lock.release()


@contextmanager
def held(segment: Path) -> Generator[None]:
    """Hold a segment as long as the block goes on, so that meanwhile no other run begins there."""
    filelock = import_vendor("filelock", extra="cli")
    place = lock_of(segment)
    lock = filelock.FileLock(place, mode=PRIVATE, thread_local=False)
    try:
        lock.acquire()
    except OSError as error:
        raise JournalError(f"{place} cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            place.unlink()


def _wait_for_workers(journal: Path) -> None:
    filelock = import_vendor("filelock", extra="cli")
    until = monotonic() + PATIENCE
    for place in sorted(journal.glob(f"*{HELD}")):
        left = max(0.0, until - monotonic())
        try:
            with filelock.FileLock(place, timeout=left, mode=PRIVATE, thread_local=False):
                pass
        except filelock.Timeout:
            what = f"a process of a run that was killed still writes {place.stem}.jsonl"
            raise RunInUse(f"{journal.parent} is in use: {what}; wait for it, or stop it") from None
        with suppress(OSError):
            place.unlink()


def _sign(path: Path) -> None:
    began = datetime.now(UTC).isoformat(timespec="seconds")
    who = {"pid": os.getpid(), "host": gethostname(), "began": began}
    with (
        suppress(OSError),  # a name for a message; the lock itself is held
        open(path, "w", encoding="ascii", opener=_private) as file,
    ):
        file.write(json.dumps(who))


def _owner(journal: Path) -> str:
    try:
        found = cast("dict[str, Any]", json.loads((journal / OWNER).read_text("ascii")))
        return f": process {found['pid']} on {found['host']} writes it since {found['began']}"
    except (OSError, ValueError, KeyError, TypeError):
        return " by another process"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE)
