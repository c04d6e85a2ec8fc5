"""The machine's particulars: ids, listings, bounds and what it says to a wrong interpreter."""

from collections.abc import Generator
from inspect import signature

import pytest

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    Ask,
    CallAgent,
    CallUser,
    Failed,
    Failure,
    Generate,
    Generated,
    Interrupted,
    Lane,
    Leave,
    Message,
    Observation,
    Prompt,
    Request,
    RequestId,
    Rules,
    Say,
    Session,
    Step,
    TestCase,
    Verdict,
    View,
    new_session,
    request_bound,
    start,
    step,
)
from convsim_fp.errors import InvalidSpec, UnexpectedObservation
from convsim_fp.testing import drive

CASE = TestCase(goal="return the red shoes", context={"order": "W7"})
SESSION = Session("red-shoes/2", trial=2, seed=11)


def asks(times: int, decision: object):
    def behaviour(view: View) -> Generator[Ask, str, object]:
        for nth in range(times):
            yield Ask(Prompt("user", "s", view.transcript, f"{nth}"))
        return decision

    return behaviour


def ids(waiting: Step) -> list[str]:
    return [str(request.id) for request in waiting.requests]


def answer(request: Request) -> Observation:
    if isinstance(request, CallAgent):
        return AgentReplied(request.id, "Soon.")
    return Generated(request.id, "no")


def test_ids_are_places() -> None:
    rules = Rules(asks(2, Say("And?")), asks(1, Verdict(achieved=False)), max_turns=2, overlap=True)
    listed: list[list[str]] = []
    drive(rules, start(rules, CASE), answer, watch=lambda one: listed.append(ids(one)))
    assert listed == [
        ["1/user/0"],
        ["1/user/1"],
        ["1/agent/0"],
        ["1/goal_check/0", "2/user/0"],
        ["2/user/0"],
        ["2/user/1"],
        ["2/agent/0"],
        ["2/goal_check/0"],
        [],
    ]


def test_both_lanes_go_on_by_themselves() -> None:
    rules = Rules(asks(2, Say("And?")), asks(2, Verdict(achieved=False)), max_turns=3, overlap=True)
    listed: list[list[str]] = []
    order = [0, 0, 0, 1, 1, 0, 0]
    drive(rules, start(rules, CASE), answer, schedule=order, watch=lambda s: listed.append(ids(s)))
    assert listed[3:8] == [
        ["1/goal_check/0", "2/user/0"],
        ["1/goal_check/0", "2/user/1"],
        ["1/goal_check/0"],
        ["1/goal_check/1"],
        ["2/agent/0"],
    ]


def test_what_is_asked_ahead_sees_the_turn_to_come() -> None:
    def asks_by_turn(view: View) -> Generator[Ask, str, Say]:
        question = f"{view.turn} after {len(view.transcript)}"
        reply = yield Ask(Prompt("user", "s", view.transcript, question))
        return Say(reply)

    rules = Rules(asks_by_turn, asks(1, Verdict(achieved=False)), max_turns=2, overlap=True)
    seen: dict[str, str] = {}

    def note(one: Step) -> None:
        for request in one.requests:
            if isinstance(request, Generate):
                seen[str(request.id)] = request.prompt.question

    drive(rules, start(rules, CASE), answer, watch=note)
    assert (seen["1/user/0"], seen["2/user/0"]) == ("1 after 0", "2 after 2")


def test_an_ahead_failure_waits_for_the_verdict() -> None:
    rules = Rules(asks(1, Say("And?")), asks(1, Verdict(achieved=True)), overlap=True)
    at = start(rules, CASE)
    at = step(rules, at.state, Generated(at.requests[0].id, "x"))
    at = step(rules, at.state, AgentReplied(at.requests[0].id, "Done."))
    assert ids(at) == ["1/goal_check/0", "2/user/0"]
    at = step(rules, at.state, Failed(at.requests[1].id, Failure("timed_out")))
    assert ids(at) == ["1/goal_check/0"]
    at = step(rules, at.state, Generated(at.requests[0].id, "yes"))
    assert at.state.phase.reason == "goal_achieved"  # type: ignore[union-attr]


def test_every_request_carries_session_and_case() -> None:
    rules = Rules(users.prompted(), goals.prompted(), max_turns=1)
    seen: list[Request] = []
    drive(rules, start(rules, CASE, SESSION), answer, watch=lambda one: seen.extend(one.requests))
    assert {type(request) for request in seen} == {Generate, CallAgent}
    assert all(request.session is SESSION and request.case is CASE for request in seen)


def test_a_delegated_user_is_called_with_the_transcript() -> None:
    rules = Rules(users.delegated(), goals.never)
    request = start(rules, CASE, SESSION).requests[0]
    assert request == CallUser(RequestId(1, Lane.USER), SESSION, CASE, ())


def test_the_agent_is_called_with_what_was_said() -> None:
    rules = Rules(asks(0, Say("Hello.")), goals.never)
    said = (Message("user", "Hello."),)
    assert start(rules, CASE, SESSION).requests == (
        CallAgent(RequestId(1, Lane.AGENT), SESSION, CASE, said),
    )


def test_a_view_has_the_turn_the_seed_and_the_memo_of_the_last_say() -> None:
    views: list[View] = []

    def remembers(view: View) -> Say | Leave:
        views.append(view)
        return Say("And?", memo={"turn": view.turn}) if view.turn < 3 else Leave("enough")

    def check(view: View) -> Verdict:
        views.append(view)
        return Verdict(achieved=False)

    rules = Rules(remembers, check)
    state = drive(rules, start(rules, CASE, SESSION), answer)
    assert [(view.turn, view.memo) for view in views] == [
        (1, None),
        (1, {"turn": 1}),
        (2, {"turn": 1}),
        (2, {"turn": 2}),
        (3, {"turn": 2}),
    ]
    assert all((view.case, view.seed) == (CASE, 11) for view in views)
    assert [len(view.transcript) for view in views] == [0, 2, 2, 4, 4]
    assert state.memo == {"turn": 2}


def test_a_user_that_leaves_with_words_keeps_its_memo() -> None:
    def goes(view: View) -> Say | Leave:
        return Say("And?", memo="kept") if view.turn == 1 else Leave("enough", say="Bye.")

    rules = Rules(goes, goals.never)
    assert drive(rules, start(rules, CASE), answer).memo == "kept"


@pytest.mark.parametrize("max_asks", [1, 3])
@pytest.mark.parametrize("agent_opens", [False, True])
@pytest.mark.parametrize("goal_check", [None, asks(9, None)])
def test_the_bound_on_requests_is_reached(goal_check, agent_opens: bool, max_asks: int) -> None:
    case = TestCase(goal="return", agent_opens=agent_opens)
    check = goal_check and asks(max_asks, Verdict(achieved=False))
    rules = Rules(asks(max_asks, Say("And?")), check, max_turns=3, max_asks=max_asks)
    asked: set[RequestId] = set()
    drive(rules, start(rules, case), answer, watch=lambda s: asked.update(r.id for r in s.requests))
    assert len(asked) == request_bound(rules, case)
    opening, decisions = int(agent_opens), 4 if check is None else 6
    assert request_bound(rules, case) == opening + 3 + decisions * max_asks


def test_the_cases_own_limit_bounds_the_requests() -> None:
    rules = Rules(asks(0, Say("And?")), goals.never)
    assert request_bound(rules, TestCase(goal="x", max_turns=1)) == 1 + 2 * 3


@pytest.mark.parametrize(
    ("stray", "shown"),
    [
        (AgentReplied(RequestId(2, Lane.AGENT), "Soon."), "AgentReplied of turn 2, agent"),
        (
            AgentReplied(RequestId(1, Lane.AGENT, 1), "Soon."),
            "AgentReplied of turn 1, agent, question 2",
        ),
        (Generated(RequestId(1, Lane.AGENT), "Soon."), "Generated of turn 1, agent"),
        (Failed(RequestId(1, Lane.USER), Failure("timed_out")), "Failed of turn 1, user"),
        (None, "None"),
        ("Soon.", "'Soon.'"),
    ],
)
def test_a_stray_is_named_with_what_is_waited_for(stray, shown) -> None:
    rules = Rules(asks(0, Say("Hello.")), goals.never)
    waiting = start(rules, CASE)
    with pytest.raises(UnexpectedObservation) as refused:
        step(rules, waiting.state, stray)
    assert str(refused.value) == f"nobody waits for {shown}; waited for: turn 1, agent"


def test_nothing_ahead_is_waited_for_without_overlap() -> None:
    rules = Rules(asks(1, Say("And?")), asks(1, Verdict(achieved=False)))
    at = start(rules, CASE)
    at = step(rules, at.state, Generated(at.requests[0].id, "x"))
    at = step(rules, at.state, AgentReplied(at.requests[0].id, "Done."))
    assert ids(at) == ["1/goal_check/0"]
    with pytest.raises(UnexpectedObservation, match=r"waited for: turn 1, goal check$"):
        step(rules, at.state, Generated(RequestId(2, Lane.USER), "x"))


def test_an_unknown_reason_to_interrupt_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="reason"):
        Interrupted("boredom")  # type: ignore[arg-type]


def test_wrong_rules_are_refused_with_all_their_problems() -> None:
    with pytest.raises(InvalidSpec) as refused:
        Rules(
            user="me",  # type: ignore[arg-type]
            goal_check="done",  # type: ignore[arg-type]
            max_turns=0,
            max_asks=True,
            overlap="yes",  # type: ignore[arg-type]
            on_goal_check_failure="ignore",  # type: ignore[arg-type]
        )
    assert str(refused.value).splitlines() == [
        "rules: user is text, expected a function of a view",
        "rules: goal_check is text, expected a function of a view, or None",
        "rules: max_turns is a number (0), expected a whole number from 1 to 1,000,000",
        "rules: max_asks is a boolean (true), expected a whole number from 1 to 1,000,000",
        "rules: overlap is text, expected true or false",
        "rules: on_goal_check_failure is text, expected 'stop' or 'continue'",
    ]


def test_trials_differ_in_seed_and_a_run_repeats() -> None:
    one, other = new_session("refund", 1, 7), new_session("refund", 2, 7)
    assert (one.id, one.trial, other.id, other.trial) == ("refund/1", 1, "refund/2", 2)
    assert one == new_session("refund", 1, 7)
    assert len({one.seed, other.seed, new_session("refund", 1, 8).seed}) == 3
    assert new_session("\ud800").id == "\ud800/1"


def test_a_conversation_under_way_has_no_stop_reason() -> None:
    state = start(Rules(asks(1, Say("And?")), goals.never), CASE).state
    assert (state.stop_reason, state.why, state.turns) == (None, "", 0)


def test_a_stray_that_cannot_be_shown_is_refused_like_any_other() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no words")

    rules = Rules(asks(1, Say("And?")), goals.never)
    waiting = start(rules, CASE)
    with pytest.raises(UnexpectedObservation, match="nobody waits for Broken; waited for"):
        step(rules, waiting.state, Broken())  # type: ignore[arg-type]


def test_a_function_that_makes_users_is_no_user() -> None:
    with pytest.raises(InvalidSpec) as refused:
        Rules(users.prompted, goals.prompted)  # type: ignore[arg-type]
    first, second = str(refused.value).splitlines()
    assert first.startswith("rules: user is the function prompted")
    assert second.startswith("rules: goal_check is the function prompted")
    assert first.endswith(
        "; call it where it is the function that makes one, as in users.prompted()"
    )


def test_a_behaviour_without_a_signature_is_taken_at_its_word() -> None:
    with pytest.raises(ValueError, match="no signature found"):
        signature(max)
    assert Rules(max, goals.never).user is max  # type: ignore[arg-type]
