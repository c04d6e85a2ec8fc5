"""What a conversation leaves behind, as text: pure, text in and text out."""

from convsim_fp.journal.canonical import canonical, canonical_log
from convsim_fp.journal.codec import (
    record_from_plain,
    record_to_plain,
    state_from_json,
    state_to_json,
)
from convsim_fp.journal.comparing import is_answer_to
from convsim_fp.journal.digests import digest
from convsim_fp.journal.divergence import Divergence, of_content, of_replies
from convsim_fp.journal.forking import (
    Again,
    begun_from,
    calls_again,
    calls_of,
    discarding,
    resumed,
    same_answer,
    snapshot_before,
)
from convsim_fp.journal.lines import START, Line, Position, read_lines, write_line
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
    Call,
    Discarded,
    Ended,
    EntryRecord,
    Header,
    Parent,
    Record,
    Snapshot,
)
from convsim_fp.journal.replaying import Check, replay
from convsim_fp.journal.writing import Content, Known, Stable, content_of, ended, recorded

__all__ = [
    "FORMAT",
    "MACHINE",
    "START",
    "Again",
    "Asked",
    "Begun",
    "Call",
    "Check",
    "Content",
    "Discarded",
    "Divergence",
    "Ended",
    "EntryRecord",
    "Header",
    "Journal",
    "Known",
    "Line",
    "Parent",
    "Position",
    "Record",
    "Recorded",
    "Segment",
    "SessionLog",
    "Snapshot",
    "Stable",
    "begun_from",
    "calls_again",
    "calls_of",
    "canonical",
    "canonical_log",
    "content_of",
    "digest",
    "discarding",
    "ended",
    "is_answer_to",
    "of_content",
    "of_replies",
    "read_journal",
    "read_lines",
    "read_segment",
    "record_from_plain",
    "record_to_plain",
    "recorded",
    "replay",
    "resumed",
    "same_answer",
    "snapshot_before",
    "state_from_json",
    "state_to_json",
    "write_line",
]
