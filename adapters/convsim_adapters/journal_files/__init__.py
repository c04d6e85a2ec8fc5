"""The files of a journal: one segment for each process that writes, a lock for the whole.

    DIR/journal/0001.jsonl    segments, in the order in which they were begun
    DIR/journal/lock          held as long as a run writes, freed with its process, however it ends
    DIR/journal/owner.json    who holds it
    DIR/journal/0002.lock     held by the worker that writes that segment, where a run has workers

What the lines hold is the pure package's business: `convsim_fp.journal`.
"""

from convsim_adapters.journal_files.locking import RunInUse, held, locked
from convsim_adapters.journal_files.places import JOURNAL, as_seen, segments_of
from convsim_adapters.journal_files.reading import (
    clear_unstarted,
    extent_of,
    has_journal,
    load_journal,
)
from convsim_adapters.journal_files.writing import Durability, JournalWriter, journal_writer

__all__ = [
    "JOURNAL",
    "Durability",
    "JournalWriter",
    "RunInUse",
    "as_seen",
    "clear_unstarted",
    "extent_of",
    "has_journal",
    "held",
    "journal_writer",
    "load_journal",
    "locked",
    "segments_of",
]
