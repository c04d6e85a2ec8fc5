"""One session as a journal of its own, always in the same order: made to be kept beside a test.

Two recordings of the same conversation give the same text, whatever the order of arrival was and
however long it took; where they differ, the lines that differ are those of the turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve

from convsim_fp.core.cases import TestCase
from convsim_fp.core.envelope import Entry, Facts, Observed
from convsim_fp.core.json_values import JsonObject
from convsim_fp.core.prompts import Prompt
from convsim_fp.core.requests import CallAgent, CallUser, Generate, Lane, Request
from convsim_fp.core.state import State, StopReason, is_checked_end
from convsim_fp.journal.codec import record_to_plain
from convsim_fp.journal.lines import write_line
from convsim_fp.journal.logs import Recorded, SessionLog
from convsim_fp.journal.records import FORMAT, MACHINE, Begun, Header, Parent, Record, Snapshot
from convsim_fp.journal.writing import Known, ended, recorded
from convsim_fp.texts import V1

__all__ = ["canonical", "canonical_log"]

ORDER = (Lane.USER, Lane.AGENT, Lane.GOAL_CHECK)
CUT_SHORT = (StopReason.BUDGET, StopReason.CANCELLED, StopReason.DEADLINE)


def canonical(
    case: TestCase,
    entries: Iterable[Entry],
    end: State,
    *,
    settings: JsonObject,
    snapshot: Snapshot | None = None,
    parent: Parent | None = None,
) -> str:
    """The journal of one session that has ended: its answers by turn, lane and question.

    Law: it replays to the same end, and what it replays to has the same journal. It leaves out what
    the conversation does not follow from (answers that nobody waited for, or that the goal check
    overtook), times, attempts, and the name of a run. A forked session needs its `snapshot`.
    """
    session = end.session
    begun = Begun(session, case, "" if snapshot is None else snapshot.digest, parent)
    records: tuple[Record, ...] = (_header(settings), *filter(None, [snapshot]), begun)
    known = Known(case.history if snapshot is None else snapshot.state.transcript)
    for entry in _in_order(tuple(entries), end):
        record, known = recorded(known, _lasting(entry))
        records = (*records, record)
    return _text((*records, ended(known, end)))


def canonical_log(log: SessionLog, *, settings: JsonObject) -> str:
    """The same of a session that was recorded. Raises `ValueError` for one that goes on."""
    if log.ended is None:
        raise ValueError(f"the session {log.session.id!r} has not ended")
    entries = (_entry(log, one) for one in log.folded)
    end = State(log.case, log.session, log.ended.phase, log.transcript, log.ended.verdicts)
    return canonical(
        log.case, entries, end, settings=settings, snapshot=log.snapshot, parent=log.parent
    )


def _header(settings: JsonObject) -> Header:
    return Header(FORMAT, "", "", MACHINE, V1.version, "", settings, 1)


def _in_order(entries: tuple[Entry, ...], end: State) -> Iterator[Entry]:
    """The answers by their places, and at last what cut the conversation short."""
    answers = tuple(one for one in entries if one.request and not (one.wasted or one.rebuilt))
    overtaken = _overtaken(answers, end)
    for entry in sorted(answers, key=_place):
        turn, lane, _ = _place(entry)
        if not (overtaken and turn > end.turns and ORDER[lane] is Lane.USER):
            yield entry
    if end.stop_reason in CUT_SHORT:
        yield from [one for one in entries if one.request is None][-1:]


def _overtaken(answers: tuple[Entry, ...], end: State) -> bool:
    """Whether what the user said ahead does not count."""
    last = (end.turns, ORDER.index(Lane.GOAL_CHECK))
    checked = any(_place(one)[:2] == last for one in answers)
    return is_checked_end(end.phase, len(end.verdicts), checked=checked)


def _place(entry: Entry) -> tuple[int, int, int]:
    if entry.request is None:
        raise ValueError("an interruption has no place")
    asked = entry.request.id
    return (asked.turn, ORDER.index(asked.lane), asked.nth)


def _lasting(entry: Entry) -> Entry:
    """An entry with those facts that belong to the answer, not to the network of that day."""
    facts = entry.observed.facts
    kept = Facts(
        facts.input_tokens,
        facts.output_tokens,
        facts.cached_tokens,
        facts.cost,
        price_source=facts.price_source,
    )
    return evolve(entry, observed=Observed(entry.observed.observation, kept))


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
