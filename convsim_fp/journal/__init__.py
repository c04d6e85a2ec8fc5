"""What a conversation leaves behind, as text: pure, text in and text out."""

from convsim_fp.journal.codec import (
    record_from_plain,
    record_to_plain,
    state_from_json,
    state_to_json,
)
from convsim_fp.journal.digests import digest
from convsim_fp.journal.divergence import Divergence, of_replies
from convsim_fp.journal.lines import Position, read_lines, write_line
from convsim_fp.journal.logs import (
    Journal,
    Recorded,
    Segment,
    SessionLog,
    read_journal,
    read_segment,
)
from convsim_fp.journal.records import (
    FORMAT,
    MACHINE,
    Asked,
    Begun,
    Discarded,
    Ended,
    EntryRecord,
    Header,
    Parent,
    Record,
    Snapshot,
)
from convsim_fp.journal.replaying import Check, replay
from convsim_fp.journal.writing import Content, Known, ended, recorded

__all__ = [
    "FORMAT",
    "MACHINE",
    "Asked",
    "Begun",
    "Check",
    "Content",
    "Discarded",
    "Divergence",
    "Ended",
    "EntryRecord",
    "Header",
    "Journal",
    "Known",
    "Parent",
    "Position",
    "Record",
    "Recorded",
    "Segment",
    "SessionLog",
    "Snapshot",
    "digest",
    "ended",
    "of_replies",
    "read_journal",
    "read_lines",
    "read_segment",
    "record_from_plain",
    "record_to_plain",
    "recorded",
    "replay",
    "state_from_json",
    "state_to_json",
    "write_line",
]
