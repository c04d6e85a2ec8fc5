"""Hypothesis strategies for journals: what is in them, and whole ones as text."""

from __future__ import annotations

from typing import TypeVar, cast

from hypothesis import strategies as st

from convsim_fp.core.envelope import Entry, Facts
from convsim_fp.core.json_values import JsonObject, freeze_object
from convsim_fp.core.observations import Answer, Interrupted
from convsim_fp.core.requests import Lane, Session
from convsim_fp.core.state import State, Stopped, StopReason
from convsim_fp.journal.records import (
    FORMAT,
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
from convsim_fp.testing.playing import SESSION, Played, play, records_of, segment_of
from convsim_fp.testing.strategies import (
    cases,
    conversations,
    failures,
    json_values,
    observations,
    schedules,
    texts,
    transcripts,
    verdicts,
)

__all__ = [
    "entries",
    "entry_records",
    "facts",
    "interruptions",
    "journals",
    "played",
    "records",
    "states",
]

T = TypeVar("T")


def played(
    *, cut: st.SearchStrategy[int | None] | None = None, session: Session = SESSION
) -> st.SearchStrategy[Played]:
    """Sessions of any kind that were played to their end, or as far as `cut`."""
    return st.builds(
        play,
        conversations(),
        session=st.just(session),
        schedule=schedules() | st.lists(st.integers(0, 1), min_size=9, max_size=9),
        costs=st.lists(facts(), min_size=1, max_size=3),
        cut=st.none() if cut is None else cut,
        why=st.none() | interruptions(),
    )


def interruptions() -> st.SearchStrategy[Interrupted]:
    """Why a conversation may be stopped from outside."""
    return st.builds(Interrupted, st.sampled_from(("budget", "deadline", "cancelled")), texts())


def journals() -> st.SearchStrategy[str]:
    """Whole journals of one segment, as text: some sessions of any kind, some of them cut."""
    cuts = st.none() | st.integers(0, 6)
    names = tuple(Session(f"case-{n}/1", 1, n) for n in range(3))
    each = st.tuples(*(st.none() | played(cut=cuts, session=name) for name in names))
    return each.map(_journal)


def _journal(some: tuple[Played | None, ...]) -> str:
    return segment_of(record for one in some if one is not None for record in records_of(one))


def states() -> st.SearchStrategy[State]:
    """States at any point of sessions of any kind."""
    return played().flatmap(lambda done: st.sampled_from(done.steps)).map(lambda step: step.state)


def entries() -> st.SearchStrategy[Entry]:
    """Entries of sessions of any kind."""
    some = played(cut=st.none() | st.integers(1, 6)).filter(lambda done: bool(done.entries))
    return some.flatmap(lambda done: st.sampled_from(done.entries))


def facts() -> st.SearchStrategy[Facts]:
    """What a request may have cost, much of it unknown."""
    some, amounts = st.none() | st.integers(0, 2**70), st.none() | st.floats(0, 1e9)
    return st.builds(
        Facts,
        *(some, some, some, amounts, amounts, amounts),
        attempts=st.integers(0, 5),
        errors=st.lists(texts(), max_size=2),
        price_source=st.none() | texts(),
        trace_id=st.none() | texts(),
    )


def records() -> st.SearchStrategy[Record]:
    """Records of every kind, each field for itself: most of them fit no session."""
    names, counts = texts(), st.integers(0, 2**70)
    sessions = st.builds(Session, names, counts, st.integers())
    lanes, turns = st.sampled_from(Lane), st.none() | counts
    parents = st.none() | st.builds(Parent, names, names, counts)
    return st.one_of(
        st.builds(Header, st.just(FORMAT), names, names, counts, names, names, _objects()),
        st.builds(Snapshot, names, states(), _some(_calls())),
        st.builds(Begun, sessions, cases(), names, parents),
        entry_records(),
        st.builds(Discarded, names, turns, st.none() | lanes),
        st.builds(Ended, names, _stopped(), _some(verdicts()), counts, transcripts(max_size=2)),
    )


def entry_records() -> st.SearchStrategy[EntryRecord]:
    """Records of entries, each field for itself."""
    asked = st.builds(
        Asked,
        st.sampled_from(("user", "judge")),
        texts(),
        texts(),
        st.none() | _objects(),
        same=st.booleans(),
    )
    return st.builds(
        EntryRecord,
        *(texts(), observations(interrupted=True), texts(), st.integers(0, 9)),
        more=transcripts(max_size=2),
        asked=st.none() | asked,
        facts=facts(),
        wasted=st.booleans(),
        rebuilt=st.booleans(),
    )


def _objects() -> st.SearchStrategy[JsonObject]:
    return st.dictionaries(texts(), json_values(), max_size=2).map(freeze_object)


def _calls() -> st.SearchStrategy[Call]:
    return st.builds(Call, cast("st.SearchStrategy[Answer]", observations()), st.integers(0, 9))


def _stopped() -> st.SearchStrategy[Stopped]:
    reasons = st.sampled_from(StopReason)
    return st.builds(Stopped, reasons, st.integers(0, 9), texts(), st.none() | failures())


def _some(one: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(one, max_size=2).map(tuple)
