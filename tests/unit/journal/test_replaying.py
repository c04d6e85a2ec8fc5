"""Replays: what is tolerated, and how a divergence is told."""

from collections.abc import Callable

import pytest
from attrs import evolve

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    Generate,
    JsonObject,
    Lane,
    Message,
    RequestId,
    Rules,
    StopReason,
    TestCase,
    ToolCall,
    freeze_object,
    start,
)
from convsim_fp.errors import ReplayMismatch, Unavailable
from convsim_fp.interpreters import AgentReply, Ports
from convsim_fp.journal import (
    Divergence,
    Recorded,
    SessionLog,
    is_answer_to,
    of_replies,
    read_journal,
    read_segment,
    replay,
    resumed,
)
from convsim_fp.testing import fake_agent, fake_model
from convsim_fp.testing.playing import Played, play, records_of, segment_of
from convsim_fp.testing.strategies import Setting
from convsim_fp.texts import V1

RULES = Rules(users.prompted(), goals.prompted(), max_turns=3)
CASE = TestCase(goal="return the shoes", persona="Kim", context={"order": "W7", "paid": True})
PORTS = Ports(
    agent=fake_agent(["Which ones?", "Have you worn them?"]),
    user_model=fake_model(["I want to return my shoes.", "The red ones.", "No."]),
    goal_model=fake_model(['{"rationale": "not yet", "result": "no"}']),
)


def played(rules: Rules = RULES, case: TestCase = CASE, ports: Ports = PORTS) -> Played:
    return play(Setting(rules, case, ports))


def log_of(done: Played) -> SessionLog:
    (log,) = read_journal([read_segment(segment_of(records_of(done)))]).sessions
    return log


DONE = played()
LOG = log_of(DONE)


def again(
    rules: Rules = RULES,
    case: TestCase = CASE,
    entries: tuple[Recorded, ...] = LOG.entries,
    **checked,
):
    return replay(rules, case, entries, session=LOG.session, **checked)


def divergence(of: Callable[[], object]) -> Divergence:
    with pytest.raises(ReplayMismatch) as refused:
        of()
    assert str(refused.value.divergence) == str(refused.value)
    return refused.value.divergence


def changed_reply(lane: Lane, text: str) -> tuple[Recorded, ...]:
    """The entries, with another reply in the first turn."""
    place = RequestId(1, lane)
    return tuple(
        evolve(one, seen=evolve(one.seen, text=text)) if one.id == place else one
        for one in LOG.entries
    )


def test_changed_wording_is_named_by_the_first_message_that_differs() -> None:
    found = divergence(lambda: again(case=evolve(CASE, persona="Robin")))
    assert (found.session, str(found.id), found.message) == (LOG.session.id, "1/user/0", 1)
    assert found.what == "message 1 of what is asked differs"
    assert "- Kim" in found.difference
    assert "+ Robin" in found.difference
    assert str(found).startswith("case-0/1, turn 1, user: message 1 of what is asked differs\n")


def test_changed_wording_is_tolerated_where_only_places_are_compared() -> None:
    assert again(case=evolve(CASE, persona="Robin"), check="ids").state.phase == DONE.end.phase
    other = evolve(V1, judge=lambda case: "Judge as you like.")
    rules = evolve(RULES, goal_check=goals.prompted(wording=other))
    assert again(rules, check="ids").state == DONE.end
    assert str(divergence(lambda: again(rules)).id) == "1/goal_check/0"


def test_another_reply_of_the_user_shows_in_what_the_agent_is_asked() -> None:
    found = divergence(lambda: again(entries=changed_reply(Lane.USER, "Give me my money.")))
    assert (str(found.id), found.message) == ("1/agent/0", 1)
    assert found.recorded.startswith("user: ")
    assert found.found == "user: Give me my money."


def test_another_reply_of_the_agent_shows_in_what_is_asked_next() -> None:
    found = divergence(lambda: again(entries=changed_reply(Lane.AGENT, "Sold out.")))
    assert (str(found.id), found.message) == ("1/goal_check/0", 2)
    assert "+ Sold out." in found.difference


def test_a_message_more_is_told_as_such() -> None:
    earlier = (Message("user", "Hello?"), Message("agent", "Hello."))
    found = divergence(lambda: again(case=evolve(CASE, history=earlier)))
    assert (str(found.id), found.message) == ("1/user/0", 2)
    assert "Write your first message" in found.recorded
    log = log_of(played(evolve(RULES, user=users.scripted(["Hi."])), evolve(CASE, history=earlier)))
    rules = evolve(RULES, user=users.scripted(["Hi."]))
    found = divergence(lambda: replay(rules, CASE, log.entries, session=log.session))
    assert (found.message, found.recorded, found.found) == (1, "user: Hello?", "user: Hi.")
    longer = evolve(CASE, history=(Message("user", "Hi."),))
    short = log_of(played(rules, longer))
    found = divergence(
        lambda: replay(
            rules, evolve(CASE, history=(*longer.history, *longer.history)), short.entries
        )
    )
    assert (found.message, found.recorded, found.found) == (2, "(nothing)", "user: Hi.")


def test_a_changed_context_is_named_since_no_message_shows_it() -> None:
    found = divergence(lambda: again(case=evolve(CASE, context={"order": "W8"})))
    assert (str(found.id), found.message, found.difference) == ("1/agent/0", None, "")
    assert found.what == "the context of the case differs, the messages do not"


def test_the_order_of_keys_makes_no_other_context() -> None:
    assert again(case=evolve(CASE, context={"paid": True, "order": "W7"})).state == DONE.end


def test_a_changed_schema_is_named_since_no_message_shows_it() -> None:
    rules = evolve(RULES, user=lambda view: _asking(view, freeze_object({"type": "object"})))
    plain = evolve(RULES, user=lambda view: _asking(view, None))
    log = log_of(played(plain))
    found = divergence(lambda: replay(rules, CASE, log.entries, session=log.session))
    assert found.what == "the reply's schema differs, the messages do not"


def _asking(view, schema: JsonObject | None):
    from convsim_fp.core import Ask, Prompt, Say

    reply = yield Ask(Prompt("user", "You want shoes.", view.transcript, "What now?", schema))
    return Say(reply)


def test_tool_calls_that_changed_are_no_answer_to_the_same_request() -> None:
    calls = (ToolCall("find", {"order": "W7"}),)
    ports = evolve(PORTS, agent=fake_agent([AgentReply("Hm?", tool_calls=calls)]))
    rules = evolve(RULES, user=users.scripted(["Hi.", "Hi?"]), goal_check=goals.never)
    log = log_of(played(rules, CASE, ports))
    other = evolve(log.entries[0], seen=evolve(log.entries[0].seen, tool_calls=()))
    found = divergence(lambda: replay(rules, CASE, (other, *log.entries[1:]), session=log.session))
    assert str(found.id) == "2/agent/0"
    assert found.difference == '- find({"order": "W7"})'


def test_what_is_never_asked_now_is_refused() -> None:
    found = divergence(lambda: again(evolve(RULES, max_turns=2), check="ids"))
    assert str(found) == ("case-0/1, turn 3, user: was asked then; it ends before, as max_turns")
    found = divergence(lambda: again(evolve(RULES, goal_check=goals.never)))
    assert str(found.id) == "1/goal_check/0"
    found = divergence(lambda: again(entries=LOG.entries[1:]))
    assert found.what == "was asked then; now it asks for turn 1, user"


def test_what_was_said_ahead_of_an_end_by_a_verdict_is_no_divergence() -> None:
    rules = evolve(RULES, overlap=True)
    ports = evolve(PORTS, goal_model=fake_model(["yes"]))
    done = play(Setting(rules, CASE, ports), schedule=[0, 0, 1])
    assert str(done.entries[2].request.id) == "2/user/0"
    log = log_of(done)
    for overlap in (True, False):
        now = evolve(rules, overlap=overlap)
        assert replay(now, CASE, log.entries, session=log.session).state == done.end
    ended = evolve(rules, goal_check=None, max_turns=1)
    with pytest.raises(ReplayMismatch):
        replay(ended, CASE, log.entries, session=log.session)


def test_what_was_said_ahead_is_kept_where_overlap_is_off_now() -> None:
    done = play(Setting(evolve(RULES, overlap=True), CASE, PORTS), schedule=[0, 0, 1], cut=3)
    log = log_of(done)
    step = resumed(RULES, log)
    assert step.state == done.end
    assert [str(request.id) for request in step.requests] == ["1/goal_check/0"]
    rest = play(Setting(RULES, CASE, PORTS), step)
    assert [str(one.request.id) for one in rest.entries][:2] == ["1/goal_check/0", "2/agent/0"]


def test_what_was_said_ahead_is_compared_too() -> None:
    done = play(Setting(evolve(RULES, overlap=True), CASE, PORTS), schedule=[0, 0, 1], cut=3)
    *before, ahead = log_of(done).entries
    changed = evolve(ahead, digest="0" * 64, content=evolve(ahead.content, question="Now?"))
    found = divergence(lambda: resumed(RULES, evolve(LOG, entries=(*before, changed))))
    assert str(found.id) == "2/user/0"


def test_a_failure_is_replayed_as_one() -> None:
    ports = evolve(PORTS, goal_model=fake_model([Unavailable("down")]))
    done = played(ports=ports)
    log = log_of(done)
    found = replay(RULES, CASE, log.entries, session=log.session).state
    assert found == done.end
    assert found.stop_reason is StopReason.GOAL_CHECK_FAILED
    going_on = evolve(RULES, on_goal_check_failure="continue")
    assert replay(going_on, CASE, log.entries, session=log.session).state.turns == 1


def test_an_equal_prompt_is_an_answer_whatever_its_digest_was() -> None:
    """A release may render the same prompt in another way."""
    request = start(RULES, CASE, LOG.session).requests[0]
    assert isinstance(request, Generate)
    assert is_answer_to(evolve(LOG.entries[0], digest="of another rendering"), request)
    assert not is_answer_to(evolve(LOG.entries[0], digest="", content=None), request)
    assert is_answer_to(evolve(LOG.entries[0], content=None), request)


def test_replies_that_differ_are_shown_side_by_side() -> None:
    place = RequestId(2, Lane.AGENT)
    then, now = AgentReplied(place, "Yes.\nTomorrow."), AgentReplied(place, "Yes.\nToday.")
    found = of_replies("a/1", then, now)
    assert "- Tomorrow." in str(found)
    assert "+ Today." in str(found)
    assert "Yes." not in found.difference
    ended = of_replies("a/1", then, evolve(then, ended=True))
    assert "+ ended: true" in ended.difference
    called = of_replies("a/1", then, evolve(then, tool_calls=(ToolCall("f", {"a": 1}),)))
    assert '+ f({"a": 1})' in called.difference


def test_a_long_difference_is_cut() -> None:
    lines = "\n".join(map(str, range(100)))
    found = Divergence("a/1", None, "differs", None, lines, "")
    assert found.difference.endswith("\n  … 60 more lines")
    assert str(found).startswith("a/1: differs\n    - 0\n")
    assert found.difference.count("\n") == 40
    begun = Divergence("a/1", None, "differs", None, lines, lines.replace("98", "x") + "\nmore")
    assert begun.difference.splitlines()[0] == "- 98"


def test_texts_that_differ_only_in_how_lines_end_are_shown_with_their_ends() -> None:
    found = Divergence("a/1", None, "differs", None, "Yes.\r\nNo.", "Yes.\nNo.\n")
    assert found.difference == "- 'Yes.\\r\\nNo.'\n+ 'Yes.\\nNo.\\n'"
