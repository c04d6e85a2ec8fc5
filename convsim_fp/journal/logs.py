"""Journals read: the entries of each session, in order, with what they come to.

Segments are written side by side; what one process wrote of a session is in one of them, and a
session that is taken up again begins anew in a later one.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TypeAlias, assert_never

from attrs import evolve, frozen

from convsim_fp.core.cases import TestCase
from convsim_fp.core.envelope import NO_FACTS, Facts
from convsim_fp.core.observations import Interrupted, Observation
from convsim_fp.core.requests import RequestId, Session
from convsim_fp.core.transcript import Transcript
from convsim_fp.errors import CorruptEntry, JournalError, UnknownVersion
from convsim_fp.journal.codec import record_from_plain
from convsim_fp.journal.lines import START, Line, Position, read_lines
from convsim_fp.journal.records import (
    Begun,
    Discarded,
    Ended,
    EntryRecord,
    Header,
    Parent,
    Record,
    Snapshot,
)
from convsim_fp.journal.upcasts import Upcast, upcasts_from
from convsim_fp.journal.writing import Content, Known, read_back

__all__ = ["Journal", "Recorded", "Segment", "SessionLog", "read_journal", "read_segment"]

SessionRecord: TypeAlias = Begun | EntryRecord | Discarded | Ended


@frozen
class Segment:
    """The records of one segment, as far as they are written, and where the next would begin."""

    header: Header | None
    records: tuple[Record, ...]
    end: Position


@frozen
class Recorded:
    """An entry that was read back: what was asked, what came back, what it cost.

    `content` is the prompt, or the transcript that the agent or the user was shown; None of an
    interruption. A `void` one is not folded: nobody waited for it, it was made again, discarded, or
    it is an interruption after which the session went on. What it cost was spent all the same.
    """

    seen: Observation
    digest: str = ""
    content: Content | None = None
    facts: Facts = NO_FACTS
    wasted: bool = False
    rebuilt: bool = False
    void: bool = False

    @property
    def id(self) -> RequestId | None:
        """The place of the request; None of an interruption."""
        return None if isinstance(self.seen, Interrupted) else self.seen.id


@frozen
class SessionLog:
    """What is recorded of one session.

    `ended` is None where it goes on, or was killed. `transcript` is what was said, as far as it was
    recorded. `snapshot` holds the state that a forked session starts from.
    """

    session: Session
    case: TestCase
    entries: tuple[Recorded, ...] = ()
    ended: Ended | None = None
    transcript: Transcript = ()
    snapshot: Snapshot | None = None
    parent: Parent | None = None

    @property
    def folded(self) -> tuple[Recorded, ...]:
        """The entries that the conversation follows from."""
        return tuple(one for one in self.entries if not one.void)

    def without(self, discarded: Discarded) -> SessionLog:
        """The log in which some entries count no more, so that it goes on before them."""
        entries = tuple(_voided(entry, discarded) for entry in self.entries)
        return evolve(self, entries=entries, ended=None)

    @property
    def interrupted(self) -> Interrupted | None:
        """What ended it from outside, if it has not gone on since."""
        last = self.folded[-1:]
        return last[0].seen if last and isinstance(last[0].seen, Interrupted) else None


@frozen
class Journal:
    """All that is recorded of a run: the headers of its segments, its sessions as they began."""

    headers: tuple[Header, ...] = ()
    sessions: tuple[SessionLog, ...] = ()

    @property
    def started(self) -> bool:
        """Whether all its sessions are listed; before that nothing has been asked."""
        return bool(self.headers) and len(self.sessions) >= self.headers[0].sessions


def read_segment(text: str, *, file: str = "", after: Position = START) -> Segment:
    """Read the whole records of a segment, or those `after` a place in it.

    Raises `CorruptEntry`, and `UnknownVersion` for a format that this release does not know.
    """
    upcasts = _upcasts(text, file)
    records: list[Record] = []
    last: Line | None = None
    for line in read_lines(text, file=file, after=after):
        records.append(_record(line, file, upcasts))
        last = line
    header = records[0] if records and isinstance(records[0], Header) else None
    return Segment(header, tuple(records), after if last is None else last.next)


def read_journal(segments: Iterable[Segment]) -> Journal:
    """Bring together what segments hold, in the order in which they were begun.

    Raises `JournalError` where a session has entries but no beginning, or no snapshot.
    """
    read = tuple(segments)
    records = tuple(record for segment in read for record in segment.records)
    headers = tuple(segment.header for segment in read if segment.header is not None)
    snapshots = tuple(record for record in records if isinstance(record, Snapshot))
    of_sessions = [record for record in records if not isinstance(record, Header | Snapshot)]
    order = {name: at for at, name in enumerate(dict.fromkeys(map(_name, of_sessions)))}
    of_sessions.sort(key=lambda record: order[_name(record)])
    return Journal(
        headers, tuple(_log(tuple(of), snapshots) for _, of in groupby(of_sessions, _name))
    )


def _upcasts(text: str, file: str) -> tuple[Upcast, ...]:
    """What the header says that its segment's records need; nothing where there is none yet."""
    first = next(read_lines(text, file=file), None)
    if first is None:
        return ()
    if first.record.get("kind") != "header":
        raise CorruptEntry("is no header, which comes first", first.number, first.offset, file)
    try:
        return upcasts_from(first.record.get("format"))
    except UnknownVersion as error:
        raise UnknownVersion(f"{file}: {error}" if file else str(error)) from error


def _record(line: Line, file: str, upcasts: tuple[Upcast, ...]) -> Record:
    read = line.record
    for upcast in upcasts:
        read = upcast(read)
    try:
        return record_from_plain(read)
    except JournalError as error:
        raise CorruptEntry(str(error), line.number, line.offset, file) from error


def _name(record: SessionRecord) -> str:
    return record.session.id if isinstance(record, Begun) else record.session


def _log(records: tuple[SessionRecord, ...], snapshots: tuple[Snapshot, ...]) -> SessionLog:
    first = records[0]
    if not isinstance(first, Begun):
        raise JournalError(f"the session {_name(first)!r} has entries, but nowhere does it begin")
    snapshot = _snapshot(first, snapshots)
    entries: tuple[Recorded, ...] = ()
    origin = said = _origin(first, snapshot)
    known, ended = Known(origin), None
    for record in records:
        match record:
            case EntryRecord():
                entry, known = _read_back(known, record)
                entries = (*(entries if entry.void else _gone_on(entries)), entry)
                said = known.transcript
            case Begun():
                origin = _origin(record, snapshot)
                known, ended = Known(origin), None
            case Ended():
                said, ended = known.transcript[: record.kept] + record.more, record
            case Discarded():
                entries = tuple(_voided(entry, record) for entry in entries)
                said = said if record.turn is not None else origin
            case _:
                assert_never(record)
    return SessionLog(first.session, first.case, entries, ended, said, snapshot, first.parent)


def _snapshot(begun: Begun, snapshots: tuple[Snapshot, ...]) -> Snapshot | None:
    if not begun.snapshot:
        return None
    for one in snapshots:
        if one.digest == begun.snapshot:
            return one
    raise JournalError(f"the session {begun.session.id!r} starts from a snapshot that is lost")


def _origin(begun: Begun, snapshot: Snapshot | None) -> Transcript:
    """What was said before: its case may have been changed since it began first."""
    return begun.case.history if snapshot is None else snapshot.state.transcript


def _read_back(known: Known, record: EntryRecord) -> tuple[Recorded, Known]:
    if record.id is None:
        return Recorded(record.seen, facts=record.facts), known
    content, known = read_back(known, record)
    entry = Recorded(
        record.seen,
        record.digest,
        content,
        record.facts,
        wasted=record.wasted,
        rebuilt=record.rebuilt,
        void=record.wasted or record.rebuilt,
    )
    return entry, known


def _gone_on(entries: tuple[Recorded, ...]) -> tuple[Recorded, ...]:
    """An interruption after which the session has gone on is not folded."""
    last = next((one for one in reversed(entries) if not one.void), None)
    if last is None or last.id is not None:
        return entries
    return tuple(one if one.id is not None else evolve(one, void=True) for one in entries)


def _voided(entry: Recorded, discarded: Discarded) -> Recorded:
    asked = entry.id
    if asked is None or discarded.turn is None:
        return evolve(entry, void=True)
    its = (asked.turn, asked.lane) == (discarded.turn, discarded.lane)
    return evolve(entry, void=True) if its else entry
