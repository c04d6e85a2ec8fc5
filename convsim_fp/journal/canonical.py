"""One session as a journal of its own, always in the same order: made to be kept beside a test.

Two recordings of the same conversation give the same text, whatever the order of arrival was and
however long it took; where they differ, the lines that differ are those of the turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve

from convsim_fp.core.cases import TestCase
from convsim_fp.core.envelope import Entry, Observed
from convsim_fp.core.json_values import JsonObject
from convsim_fp.core.prompts import Prompt
from convsim_fp.core.requests import CallAgent, CallUser, Generate, Lane, Request
from convsim_fp.core.state import State
from convsim_fp.journal.codec import record_to_plain
from convsim_fp.journal.lines import write_line
from convsim_fp.journal.logs import Recorded, SessionLog
from convsim_fp.journal.records import FORMAT, MACHINE, Begun, Header, Record
from convsim_fp.journal.writing import Known, ended, recorded
from convsim_fp.texts import V1

__all__ = ["canonical", "canonical_log"]

ORDER = (Lane.USER, Lane.AGENT, Lane.GOAL_CHECK)


def canonical(case: TestCase, entries: Iterable[Entry], end: State, *, settings: JsonObject) -> str:
    """The journal of one session that has ended: its answers by turn, lane and question.

    Without what nobody waited for, without times, and without the name of a run.
    """
    session = end.session
    records: tuple[Record, ...] = (_header(settings), Begun(session, case))
    known = Known(case.history)
    for entry in sorted(_answers(entries), key=_place):
        record, known = recorded(known, _timeless(entry))
        records = (*records, record)
    return _text((*records, ended(known, end)))


def canonical_log(log: SessionLog, *, settings: JsonObject) -> str:
    """The same of a session that was recorded. Raises `ValueError` for one that goes on."""
    if log.ended is None:
        raise ValueError(f"the session {log.session.id!r} has not ended")
    entries = (_entry(log, one) for one in log.folded)
    end = State(log.case, log.session, log.ended.phase, log.transcript, log.ended.verdicts)
    return canonical(log.case, entries, end, settings=settings)


def _header(settings: JsonObject) -> Header:
    return Header(FORMAT, "", "", MACHINE, V1.version, "", settings, 1)


def _answers(entries: Iterable[Entry]) -> Iterator[Entry]:
    return (one for one in entries if one.request is not None and not (one.wasted or one.rebuilt))


def _place(entry: Entry) -> tuple[int, int, int]:
    if entry.request is None:
        raise ValueError("an interruption has no place")
    asked = entry.request.id
    return (asked.turn, ORDER.index(asked.lane), asked.nth)


def _timeless(entry: Entry) -> Entry:
    facts = evolve(entry.observed.facts, start=None, seconds=None)
    return evolve(entry, observed=Observed(entry.observed.observation, facts))


def _entry(log: SessionLog, one: Recorded) -> Entry:
    return Entry(log.session, _request(log, one), Observed(one.seen, one.facts))


def _request(log: SessionLog, one: Recorded) -> Request | None:
    """The request again that an entry answers."""
    asked, content = one.id, one.content
    if asked is None or content is None:
        return None
    if isinstance(content, Prompt):
        return Generate(asked, log.session, log.case, content)
    kind = CallAgent if asked.lane is Lane.AGENT else CallUser
    return kind(asked, log.session, log.case, content)


def _text(records: tuple[Record, ...]) -> str:
    return "".join(write_line(at, record_to_plain(record)) for at, record in enumerate(records))
