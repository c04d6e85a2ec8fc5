"""Where the files of a journal are."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = [
    "HELD",
    "JOURNAL",
    "LOCK",
    "OWNER",
    "PRIVATE",
    "as_seen",
    "lock_of",
    "next_segment",
    "segments_of",
]

JOURNAL = "journal"
LOCK, OWNER = "lock", "owner.json"
HELD = ".lock"
PRIVATE = 0o600
SEGMENT = re.compile(r"(\d{4,9})\.jsonl", re.ASCII)


def segments_of(directory: Path) -> tuple[Path, ...]:
    """The segments of a run's directory, in the order in which they were begun."""
    found = {int(name[1]): path for path, name in _named(directory / JOURNAL)}
    return tuple(found[number] for number in sorted(found))


def next_segment(directory: Path) -> Path:
    """The place of the segment that would be begun now."""
    numbers = [int(name[1]) for _, name in _named(directory / JOURNAL)]
    return directory / JOURNAL / f"{max(numbers, default=0) + 1:04}.jsonl"


def lock_of(segment: Path) -> Path:
    """The place of the lock that whoever writes a segment holds, where it is not the run itself."""
    return segment.with_suffix(HELD)


def as_seen(path: Path) -> Path:
    """A path in messages: from the working directory, where it is below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _named(journal: Path) -> list[tuple[Path, re.Match[str]]]:
    if not journal.is_dir():
        return []
    matched = ((path, SEGMENT.fullmatch(path.name)) for path in journal.iterdir())
    return [(path, name) for path, name in matched if name is not None]
