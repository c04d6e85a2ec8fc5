"""The journal of one session in its one order: the same text for the same conversation."""

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from convsim_fp.core import (
    CallAgent,
    Generated,
    LaneReplies,
    Session,
    Speaking,
    Step,
    TestCase,
    Verdict,
    freeze_object,
)
from convsim_fp.core.requests import Lane, RequestId
from convsim_fp.core.state import State, Stopped, StopReason
from convsim_fp.interpreters import Entry, Facts, Observed
from convsim_fp.journal import (
    Parent,
    SessionLog,
    begun_from,
    canonical,
    canonical_log,
    read_journal,
    read_segment,
    replay,
    snapshot_before,
)
from convsim_fp.testing import strategies as any_of
from convsim_fp.testing.journals import facts, interruptions, played
from convsim_fp.testing.playing import Played, play, records_of, segment_of

SETTINGS = freeze_object({"max_turns": 3})


def log_in(text: str) -> SessionLog:
    (log,) = read_journal([read_segment(text)]).sessions
    return log


def log_of(done: Played) -> SessionLog:
    return log_in(segment_of(records_of(done)))


def text_of(done: Played) -> str:
    return canonical_log(log_of(done), settings=SETTINGS)


@given(played())
def test_it_replays_to_the_same_end(done: Played) -> None:
    """With overlap and without, and it holds all that was said."""
    log = log_in(text_of(done))
    for overlap in (True, False):
        rules = evolve(done.setting.rules, overlap=overlap)
        end = replay(rules, log.case, log.entries, session=log.session).state
        assert end == done.end
    assert log.ended is not None
    assert (log.session, log.case, log.ended.phase) == (
        done.end.session,
        done.end.case,
        done.end.phase,
    )
    assert log.transcript == done.end.transcript


@given(played())
def test_what_is_in_order_stays_as_it_is(done: Played) -> None:
    """The journal of a journal is the journal."""
    text = text_of(done)
    assert canonical_log(log_in(text), settings=SETTINGS) == text


@given(any_of.conversations(), any_of.schedules(), any_of.schedules(), facts(), facts())
def test_neither_arrival_nor_the_network_of_the_day_shows(
    setting: any_of.Setting, one: list[int], other: list[int], then: Facts, now: Facts
) -> None:
    """Two recordings of a conversation are equal: with overlap or without, in whatever order."""
    lasting = {"start": now.start, "seconds": now.seconds, "attempts": now.attempts}
    again = evolve(then, errors=now.errors, **lasting)
    first = play(with_overlap(setting, on=True), schedule=one, costs=[then])
    second = play(with_overlap(setting, on=True), schedule=other, costs=[again])
    third = play(with_overlap(setting, on=False), costs=[again])
    assert text_of(first) == text_of(second) == text_of(third)


def with_overlap(setting: any_of.Setting, *, on: bool) -> any_of.Setting:
    return evolve(setting, rules=evolve(setting.rules, overlap=on))


@given(played())
def test_answers_stand_by_turn_lane_and_question(done: Played) -> None:
    """One for each place, none of them void."""
    entries = log_in(text_of(done)).entries
    lanes = (Lane.USER, Lane.AGENT, Lane.GOAL_CHECK)
    places = [(one.id.turn, lanes.index(one.id.lane), one.id.nth) for one in entries if one.id]
    assert places == sorted(set(places))
    assert not any(one.void for one in entries)
    assert {(one.facts.start, one.facts.seconds, one.facts.attempts) for one in entries} <= {
        (None, None, 1)
    }


@given(played(), st.data())
def test_a_fork_has_its_snapshot_with_it(done: Played, data) -> None:
    """So that one file is enough to replay it."""
    rules, log = done.setting.rules, log_of(done)
    turns = [one.state.phase.turn for one in done.steps if is_free_turn(one)]
    assume(turns)
    turn = data.draw(st.sampled_from(turns), label="turn")
    snapshot = snapshot_before(rules, log, turn)
    parent = Parent("run", log.session.id, turn)
    forked = evolve(log, session=Session("fork/1", 1, log.session.seed))
    fork = play(done.setting, begun_from(rules, evolve(forked, snapshot=snapshot)))
    told = segment_of((snapshot, *records_of(fork, snapshot=snapshot, parent=parent)))
    found = log_in(canonical_log(log_in(told), settings=SETTINGS))
    assert (found.snapshot, found.parent, found.transcript) == (
        snapshot,
        parent,
        fork.end.transcript,
    )
    begun = begun_from(rules, found)
    assert replay(rules, found.case, found.entries, session=found.session, begun=begun).state == (
        fork.end
    )


def is_free_turn(step: Step) -> bool:
    """Whether the user is about to speak for the first time in a turn."""
    phase = step.state.phase
    return isinstance(phase, Speaking) and phase.closing is None and phase.user == LaneReplies()


@given(played(cut=st.integers(0, 4)), interruptions())
def test_what_cut_a_conversation_short_comes_last(done: Played, why) -> None:
    """A session that was interrupted ends so again; one that goes on has no such journal."""
    assume(done.end.stop_reason is None)
    with pytest.raises(ValueError, match="has not ended"):
        text_of(done)
    cut = play(done.setting, cut=len(done.entries), why=why)
    log = log_in(text_of(cut))
    rules = done.setting.rules
    assert replay(rules, log.case, log.entries, session=log.session).state.phase == cut.end.phase


def test_what_was_said_ahead_counts_where_the_user_ends_it() -> None:
    """A check said no, then the user said that it was satisfied: its own word is kept."""
    case, session = TestCase(goal="greet"), Session("greet/1")
    ids = [RequestId(1, Lane.AGENT), RequestId(1, Lane.GOAL_CHECK), RequestId(2, Lane.USER)]
    entries = [
        Entry(session, CallAgent(one, session, case, ()), Observed(Generated(one, "x")))
        for one in ids
    ]
    no, yes = Verdict(achieved=False), Verdict(achieved=True)

    def lanes(reason: StopReason, verdicts: tuple[Verdict, ...]) -> list[str]:
        end = State(case, session, Stopped(reason, 1), (), verdicts)
        log = log_in(canonical(case, entries, end, settings=SETTINGS))
        return [str(one.id) for one in log.entries]

    assert lanes(StopReason.GOAL_ACHIEVED, (no, yes))[-1] == "2/user/0"
    assert lanes(StopReason.USER_LEFT, (no,))[-1] == "2/user/0"
    assert lanes(StopReason.GOAL_ACHIEVED, (yes,))[-1] == "1/goal_check/0"
    assert lanes(StopReason.GOAL_CHECK_FAILED, ())[-1] == "1/goal_check/0"
