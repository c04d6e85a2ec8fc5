"""Sessions put together from segments: what begins again, what counts no more, what is missing."""

import pytest
from attrs import evolve

from convsim_fp import goals, users
from convsim_fp.core import Interrupted, Lane, Message, Rules, Session, TestCase
from convsim_fp.errors import CorruptEntry, JournalError, UnknownVersion
from convsim_fp.interpreters import Ports
from convsim_fp.journal import (
    Begun,
    Discarded,
    Journal,
    Known,
    Record,
    Snapshot,
    begun_from,
    calls_of,
    discarding,
    ended,
    read_journal,
    read_lines,
    read_segment,
    replay,
    resumed,
    same_answer,
    snapshot_before,
    write_line,
)
from convsim_fp.journal.logs import _record
from convsim_fp.journal.upcasts import upcasts_from
from convsim_fp.journal.writing import read_back, recorded
from convsim_fp.testing import fake_agent
from convsim_fp.testing.playing import Played, play, records_of, segment_of
from convsim_fp.testing.strategies import Setting

RULES = Rules(users.scripted(["One.", "Two.", "Three."]), goals.never, max_turns=3)
EARLIER = (Message("user", "Hello?"), Message("agent", "Hello."))
CASE = TestCase(goal="count", history=EARLIER, id="count")
SETTING = Setting(RULES, CASE, Ports(agent=fake_agent(["Yes.", "Indeed.", "And then?"])))
STOP = Interrupted("cancelled", "SIGTERM")
WHOLE = play(SETTING)


def read(*segments: tuple[Record, ...]) -> Journal:
    return read_journal(read_segment(segment_of(records)) for records in segments)


def written(done: Played) -> tuple[Record, ...]:
    return tuple(records_of(done))


def test_sessions_come_in_the_order_in_which_they_began() -> None:
    names = ("b", "a", "c")
    played = [written(play(SETTING, session=Session(name), cut=2)) for name in names]
    mixed = [record for records in zip(*played, strict=True) for record in records]
    found = read(tuple(mixed))
    assert [log.session.id for log in found.sessions] == list(names)
    assert [len(log.entries) for log in found.sessions] == [2, 2, 2]
    assert len(found.headers) == 1


def test_a_session_that_begins_again_is_one_session() -> None:
    first = play(SETTING, cut=1)
    rest = play(SETTING, first.steps[-1])
    journal = read(written(first), written(rest))
    (log,) = journal.sessions
    assert len(journal.headers) == 2
    assert len(log.entries) == len(WHOLE.entries)
    assert log.transcript == WHOLE.end.transcript
    assert log.ended == ended(Known(log.transcript), WHOLE.end)


def test_an_end_counts_no_more_once_the_session_has_begun_again() -> None:
    cut = play(SETTING, cut=1, why=STOP)
    assert read(written(cut)).sessions[0].ended is not None
    (log,) = read(written(cut), (Begun(cut.end.session, CASE),)).sessions
    assert log.ended is None
    assert log.interrupted == STOP
    assert resumed(RULES, log).state == cut.steps[1].state


def test_a_session_goes_on_although_its_history_was_changed_meanwhile() -> None:
    """What a record tells by reference is told of the case as it was then."""
    changed = evolve(CASE, history=(*EARLIER, Message("user", "Are you there?")))
    rest = play(evolve(SETTING, case=changed), cut=2)
    (log,) = read(written(play(SETTING, cut=1)), written(rest)).sessions
    assert log.case == CASE
    assert log.entries[-1].content == rest.entries[-1].request.transcript
    assert log.transcript[:3] == changed.history


def test_a_session_that_begins_anew_has_said_nothing_yet() -> None:
    (log,) = read((*written(play(SETTING, cut=2)), Discarded("case-0/1"))).sessions
    assert log.folded == ()
    assert log.transcript == EARLIER
    assert len(log.entries) == 2
    assert log.entries[0].facts == WHOLE.entries[0].observed.facts
    assert resumed(RULES, log) == WHOLE.steps[0]


def test_without_what_is_discarded_is_what_is_read_after_it() -> None:
    discarded = Discarded("case-0/1", 2, Lane.AGENT)
    (before,) = read(written(WHOLE)).sessions
    (after,) = read((*written(WHOLE), discarded)).sessions
    assert before.without(discarded).entries == after.entries
    assert [one.void for one in after.entries] == [False, True, False]


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_fork_of_a_fork_holds_all_calls_that_led_to_it(turn) -> None:
    (log,) = read(written(WHOLE)).sessions
    snapshot = snapshot_before(RULES, log, turn)
    assert len(snapshot.calls) == turn - 1
    name = Session("fork/1")
    begun = begun_from(RULES, evolve(log, snapshot=snapshot, session=name))
    assert begun.state.session == name
    fork = play(SETTING, begun)
    found = read((*written(WHOLE), snapshot, *records_of(fork, snapshot=snapshot))).sessions[1]
    assert calls_of(found) == calls_of(log)
    if turn > 1:
        with pytest.raises(JournalError, match=f"was itself forked at turn {turn}; fork its par"):
            snapshot_before(RULES, found, turn - 1)
    if turn < 3:
        assert (
            snapshot_before(RULES, found, turn + 1).calls
            == snapshot.calls + calls_of(log)[turn - 1 : turn]
        )


@pytest.mark.parametrize("turn", [0, 4, 9])
def test_a_fork_at_a_turn_that_never_was_is_refused(turn) -> None:
    (log,) = read(written(WHOLE)).sessions
    with pytest.raises(JournalError, match="'case-0/1'"):
        snapshot_before(RULES, log, turn)


def test_a_snapshot_that_is_lost_is_refused() -> None:
    begun = Begun(Session("fork/1"), CASE, "abc")
    with pytest.raises(JournalError, match="'fork/1' starts from a snapshot that is lost"):
        read((begun,))
    state = WHOLE.steps[0].state
    (log,) = read((Snapshot("x", state), Snapshot("abc", state), begun)).sessions
    assert log.snapshot == Snapshot("abc", state)
    assert log.transcript == state.transcript


def test_an_answer_made_again_is_the_same_whatever_the_ids_of_its_tool_calls() -> None:
    from convsim_fp.core import AgentReplied, RequestId, ToolCall

    then, now = (
        AgentReplied(RequestId(1, Lane.AGENT), "", tool_calls=(ToolCall("f", None, id),))
        for id in ("1", "2")
    )
    assert same_answer(then, now)
    assert not same_answer(then, evolve(now, text="x"))


def test_nothing_is_discarded_of_a_session_that_did_not_fail() -> None:
    assert discarding(WHOLE.end) is None
    assert discarding(WHOLE.steps[0].state) is None


def test_a_session_that_goes_on_has_no_end_to_record() -> None:
    with pytest.raises(TypeError, match="'case-0/1' has not ended"):
        ended(Known(), WHOLE.steps[0].state)


def test_an_interruption_has_no_request_to_read_back() -> None:
    cut = play(SETTING, cut=1, why=STOP)
    record, _ = recorded(Known(), cut.entries[1])
    with pytest.raises(ValueError, match="nothing was asked"):
        read_back(Known(), record)


def test_a_record_of_an_earlier_format_is_read_through_all_upcasts_that_follow() -> None:
    one, two = (lambda it: {**it, "b": it["a"] + 1}, lambda it: {**it, "c": it["b"] + 1})
    assert upcasts_from(1, upcasts=(one, two)) == (one, two)
    assert upcasts_from(2, upcasts=(one, two)) == (two,)
    assert upcasts_from(3, upcasts=(one, two)) == ()
    with pytest.raises(
        UnknownVersion, match="is 4, and this release reads formats 1 to 3; read it with"
    ):
        upcasts_from(4, upcasts=(one, two))
    line = next(read_lines(write_line(0, {"kind": "discarded", "a": 1})))
    with pytest.raises(CorruptEntry, match=r"has 'a', 'b', 'c', which nothing reads"):
        _record(line, "", (one, two))


def test_a_segment_that_is_followed_is_read_as_its_header_says() -> None:
    text = segment_of(written(WHOLE)).replace('"format":1', '"format":9')
    with pytest.raises(CorruptEntry, match="record 0"):
        read_segment(text, after=read_segment(segment_of(())).end)


def test_a_replay_of_a_fork_begins_where_it_was_forked() -> None:
    (log,) = read(written(WHOLE)).sessions
    snapshot = snapshot_before(RULES, log, 2)
    begun = begun_from(RULES, evolve(log, snapshot=snapshot))
    found = replay(RULES, CASE, log.entries[1:], session=log.session, begun=begun)
    assert found.state == WHOLE.end
