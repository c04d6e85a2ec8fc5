"""Reading a journal as it grows: what was read once is not read again."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

from attrs import Factory, define, frozen

from convsim_adapters.journal_files.places import JOURNAL, LOCK, PRIVATE, segments_of
from convsim_adapters.vendors import import_vendor
from convsim_fp.errors import CorruptEntry, JournalError
from convsim_fp.journal import Position, Record, read_segment

__all__ = ["Growing", "is_written"]


@frozen
class Read:
    """How far a segment has been read; `head` is its header's line, which says how to read it."""

    head: str = ""
    number: int = 0
    offset: int = 0


@define
class Growing:
    """The records of a run's journal, each given once, as soon as it is written.

    It looks at so many bytes `at_once`, and goes on until it has seen all. Raises `JournalError`
    where a segment cannot be read or is damaged.
    """

    directory: Path
    at_once: int = 4_000_000
    read: dict[Path, Read] = Factory(dict[Path, Read])

    def records(self) -> Iterator[Record]:
        """What was written since the last look; a line that is half written comes with the next."""
        for path in segments_of(self.directory):
            yield from self._grown(path)

    @property
    def replaced(self) -> bool:
        """Whether what was read is not there any more: another run was begun in its place."""
        return any(_size(path) < read.offset for path, read in self.read.items())

    def _grown(self, path: Path) -> Generator[Record]:
        while data := _more(path, self.read.get(path, Read()).offset, self.at_once):
            self.read[path], records = _taken(path, self.read.get(path, Read()), data)
            yield from records


def is_written(directory: Path) -> bool | None:
    """Whether a process holds the run now; None where that cannot be known.

    Who asks holds the lock for a moment if nobody else does.
    """
    filelock = import_vendor("filelock", extra="cli")
    place = directory / JOURNAL / LOCK
    if not place.exists():
        return None
    try:
        with filelock.FileLock(place, timeout=0, mode=PRIVATE, thread_local=False):
            return False
    except filelock.Timeout:
        return True
    except OSError:
        return None


def _taken(path: Path, read: Read, data: bytes) -> tuple[Read, tuple[Record, ...]]:
    """The records in what was added; an offset in a message is one of the whole file."""
    text = read.head + data.decode("latin-1")  # a character is a byte, whatever it is
    begun = Position(read.number, len(read.head))
    try:
        segment = read_segment(text, file=str(path), after=begun)
    except CorruptEntry as error:
        offset = error.offset - begun.offset + read.offset
        raise CorruptEntry(error.what, error.record, offset, error.file) from error
    head = read.head or text[: text.index("\n") + 1]
    offset = read.offset + segment.end.offset - begun.offset
    return Read(head, segment.end.number, offset), segment.records


def _more(path: Path, offset: int, most: int) -> bytes:
    """Whole lines from a place on, as many as are looked at at once, and at least one."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(most)
            if len(data) == most:
                data += file.readline()
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}") from error
    return data[: data.rfind(b"\n") + 1]


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return -1
