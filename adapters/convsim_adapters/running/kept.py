"""Journals that are kept beside tests: one file for each session, put there whole."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen

from convsim_fp.core import JsonObject
from convsim_fp.errors import JournalError
from convsim_fp.journal import SessionLog, read_journal, read_segment

__all__ = ["Kept", "file_name", "is_journal", "keep", "read_kept", "read_one"]

BEGINS = b'{"crc":"'  # as every record does, and no file of cases
UNSAFE = re.compile(r"[^a-z0-9_.-]+")
LONGEST = 80  # characters of a name that become part of a file's


@frozen
class Kept:
    """A recorded session, and the settings that it was played with, by name."""

    log: SessionLog
    settings: JsonObject


def is_journal(path: Path) -> bool:
    """Whether a file is a journal rather than a file of cases; False where there is none."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(BEGINS)) == BEGINS


def read_kept(path: Path) -> tuple[Kept, ...]:
    """Read every session of a journal. Raises `JournalError` that names file, record and byte."""
    try:
        text = path.read_bytes().decode("latin-1")  # a character is a byte, whatever it is
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}") from error
    segment = read_segment(text, file=str(path))
    if segment.header is None:
        raise JournalError(f"{path} is empty, expected a journal")
    settings = segment.header.settings
    return tuple(Kept(log, settings) for log in read_journal([segment]).sessions)


def read_one(path: Path) -> Kept:
    """Read the journal of one session. Raises `JournalError` where it holds another number."""
    kept = read_kept(path)
    if len(kept) != 1:
        raise JournalError(f"{path} holds {len(kept)} sessions, expected one in its own file")
    return kept[0]


def keep(path: Path, text: str) -> None:
    """Write a journal beside its place, then put it there: other workers see all or nothing.

    Raises `JournalError` where that cannot be done.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=".") as made:
            new = Path(made) / "new"
            new.write_text(text, "ascii")
            new.replace(path)
    except OSError as error:
        raise JournalError(f"{path} cannot be written: {error.strerror}") from error


def file_name(name: str) -> str:
    """Make the name of a file, another for each name, also where capitals count as small letters.

    >>> file_name("refund"), file_name("a/b"), file_name("Refund")
    ('refund.jsonl', 'a_b-c14cddc0.jsonl', 'refund-6b37bd35.jsonl')
    """
    safe = UNSAFE.sub("_", name.lower())[:LONGEST]
    if safe != name:
        safe = f"{safe}-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"{safe}.jsonl"
