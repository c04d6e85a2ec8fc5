"""Reading a journal, also while it is written."""

from __future__ import annotations

from pathlib import Path

from convsim_adapters.journal_files.places import segments_of
from convsim_fp.errors import CorruptEntry, JournalError
from convsim_fp.journal import Journal, Segment, read_journal, read_segment

__all__ = ["clear_unstarted", "extent_of", "has_journal", "load_journal"]


def has_journal(directory: Path) -> bool:
    """Whether a directory holds the journal of a run that has started, or one that is damaged."""
    try:
        return load_journal(directory).started
    except JournalError:
        return bool(segments_of(directory))  # whatever it is, it is not ours to remove


def clear_unstarted(directory: Path) -> None:
    """Remove what is left of a run that was killed before it asked anything."""
    if not has_journal(directory):
        for segment in segments_of(directory):
            segment.unlink()


def extent_of(directory: Path) -> tuple[int, ...]:
    """The bytes of each segment: whether somebody has written on since a journal was read."""
    return tuple(segment.stat().st_size for segment in segments_of(directory))


def load_journal(directory: Path) -> Journal:
    """Read what is recorded of a run. Raises `JournalError` that names file, record and byte."""
    found = segments_of(directory)
    if not found:
        here = "holds no journal" if directory.is_dir() else "is no directory"
        raise JournalError(f"{str(directory)!r} {here}; give the directory of a run")
    return read_journal(map(_segment, found))


def _segment(path: Path) -> Segment:
    try:
        text = path.read_bytes().decode("latin-1")  # a character is a byte, whatever it is
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return read_segment(text, file=str(path))
    except CorruptEntry as error:
        how = (
            f"what stands before it is good: cut the file to {error.offset} bytes to go on from it"
        )
        what = f"{error.what}; {how}"
        raise CorruptEntry(what, error.record, error.offset, error.file) from error
