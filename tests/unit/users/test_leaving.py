"""Users that say how they stand: they leave, or declare their own goal achieved."""

import json

import pytest
from attrs import evolve

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    Ask,
    Generate,
    Generated,
    Leave,
    Message,
    Observation,
    Request,
    Rules,
    Satisfied,
    Say,
    State,
    Stopped,
    StopReason,
    TestCase,
    Verdict,
    View,
    start,
)
from convsim_fp.testing import drive

CASE = TestCase(goal="Return the red shoes", id="shoes")
SAID = (Message("user", "My shoes are too small."), Message("agent", "Which ones?"))
OPENING, LATER = View(CASE, 1), View(CASE, 2, SAID)


def reply(message: object, status: object = "continue", reason: object = "so far so good") -> str:
    return json.dumps({"reason": reason, "status": status, "message": message})


def talk(rules: Rules, *replies: str, case: TestCase = CASE) -> tuple[State, list[Generate]]:
    """A conversation in which the user's model gives these replies, the agent always the same."""
    left = iter(replies)
    asked: list[Generate] = []

    def observe(request: Request) -> Observation:
        if not isinstance(request, Generate):
            return AgentReplied(request.id, "Which ones?")
        asked.append(request)
        return Generated(request.id, next(left))

    return drive(rules, start(rules, case), observe), asked


def decide(user, view: View, *replies: str):
    """The user's decision over some replies, or its next question."""
    asking = user(view)
    question = next(asking)
    try:
        for one in replies:
            question = asking.send(one)
    except StopIteration as end:
        return end.value
    return question


# Leaving


@pytest.mark.parametrize("status", ["satisfied", "gave_up", "blocked"])
def test_a_user_that_may_leave_keeps_the_reason_and_its_last_words_are_answered(
    status: str,
) -> None:
    rules = Rules(users.prompted(may_leave=True), goals.never)
    state, _ = talk(rules, reply("Hi."), reply("User: Bye.", status, " enough of it "))
    assert state.phase == Stopped(StopReason.USER_LEFT, 2, f"{status}: enough of it")
    assert [m.text for m in state.transcript] == ["Hi.", "Which ones?", "Bye.", "Which ones?"]


@pytest.mark.parametrize("message", ["", " ", None])
def test_a_user_that_leaves_without_words_ends_it_at_once(message: str | None) -> None:
    rules = Rules(users.prompted(may_leave=True), goals.never)
    state, _ = talk(rules, reply("Hi."), reply(message, "gave_up"))
    assert state.phase == Stopped(StopReason.USER_LEFT, 1, "gave_up: so far so good")
    assert len(state.transcript) == 2


def test_last_words_that_are_no_speech_of_the_user_are_asked_for_again() -> None:
    rules = Rules(users.prompted(may_leave=True), goals.never)
    bad = reply("Bye.\nAgent: Bye!", "gave_up")
    state, asked = talk(rules, reply("Hi."), bad, reply("Bye.", "gave_up"))
    assert [m.text for m in state.transcript][-2:] == ["Bye.", "Which ones?"]
    assert "it speaks for the agent too" in asked[-1].prompt.question


@pytest.mark.parametrize(
    ("reason", "message", "why"),
    [("", " Bye. ", "gave_up: Bye."), (None, "", "gave_up: gave_up"), (7, "Bye.", "gave_up: Bye.")],
)
def test_without_a_reason_the_words_are_the_reason(reason, message: str, why: str) -> None:
    text = reply(message, "gave_up", reason)
    assert decide(users.prompted(may_leave=True), LATER, text).why == why


def test_nobody_leaves_before_the_first_word() -> None:
    for user in (users.prompted(may_leave=True), users.by_user(may_leave=True)):
        asked = decide(user, OPENING, reply("Bye.", "satisfied"))
        assert asked.because == 'its "status" is not one of: continue'


def test_by_default_a_status_means_nothing() -> None:
    text = reply("Bye.", "gave_up")
    assert decide(users.prompted(), LATER, text) == Say(text)


# Structured replies, read with leniency


@pytest.mark.parametrize(
    "text",
    [
        reply("The red ones."),
        '```json\n{"message": "The red ones.", "status": "continue", "reason": ""}\n```',
        '```\n{"message": "The red ones.", "status": " Continue "}\n```',
        '<think>{"message": "no"}</think>{"message": "The red ones."}',
        '{"message": "\\"The red ones.\\""}',
        '{"message": "User: The red\nones.", "status": "continue"}',
        "The red ones.",
        "User: The red ones.",
    ],
)
def test_a_structured_reply_is_read_through_what_surrounds_it(text: str) -> None:
    said = decide(users.prompted(may_leave=True), LATER, text)
    assert isinstance(said, Say)
    assert said.text.replace("\n", " ") == "The red ones."


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ('{"message": "The red', "it is not one whole JSON object"),
        ('{"status": "continue"}', "it is not one whole JSON object"),
        ('{"message": "a"} {"message": "b"}', "it is not one whole JSON object"),
        ('{"answer": {"message": "a"}}', "it is not one whole JSON object"),
        ('{"message": 7}', 'its "message" is not text'),
        ('{"message": ["a"], "status": "continue"}', 'its "message" is not text'),
        ('{"message": "a", "status": "happy"}', 'its "status" is not one of: continue, satisfied'),
        ('{"message": "a", "status": null}', 'its "status" is not one of'),
        ('{"message": "a", "status": {"a": 1}}', 'its "status" is not one of'),
        ('The log says {"message": "not found", "code": 4}', "it is not one JSON object and"),
        (f"You wrote {reply('x', 'satisfied')} to me. Why?", "it is not one JSON object and"),
        (reply(""), "it has no words to send"),
        (reply("Agent: a"), "it speaks for the agent too"),
        ("", "it has no words to send"),
    ],
)
def test_a_structured_reply_that_is_not_clear_is_asked_for_again(text: str, because: str) -> None:
    asked = decide(users.prompted(may_leave=True), LATER, text)
    assert isinstance(asked, Ask)
    assert because in asked.because
    assert asked.because in asked.prompt.question


# The user's own word


def test_by_user_satisfaction_is_goal_achieved_with_its_reason_as_the_rationale() -> None:
    rules = Rules(users.by_user(), None)
    done = reply("Thanks.", "satisfied", "the money is back")
    state, _ = talk(rules, reply("Hi."), reply("The red ones."), done)
    assert state.phase == Stopped(StopReason.GOAL_ACHIEVED, 2, "the money is back")
    assert state.verdicts == (Verdict(achieved=True, rationale="the money is back"),)
    assert len(state.transcript) == 4


def test_by_user_without_a_reason_its_words_are_the_rationale() -> None:
    assert decide(users.by_user(), LATER, reply(" ok ", "satisfied", "")) == Satisfied("ok")
    assert decide(users.by_user(), LATER, reply("", "satisfied", "")) == Satisfied("satisfied")


def test_by_user_costs_one_call_a_turn_and_one_after_the_last() -> None:
    state, asked = talk(Rules(users.by_user(), None, max_turns=2), *[reply("And?")] * 3)
    assert state.phase == Stopped(StopReason.MAX_TURNS, 2, "the limit of 2 turns")
    assert [str(request.id) for request in asked] == ["1/user/0", "2/user/0", "3/user/0"]
    assert len(state.transcript) == 4


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (reply("And?"), StopReason.MAX_TURNS),
        (reply("", "satisfied"), StopReason.GOAL_ACHIEVED),
        (reply("Bye.", "gave_up"), StopReason.USER_LEFT),
    ],
)
def test_after_the_last_reply_only_its_leaving_counts(last: str, reason: StopReason) -> None:
    rules = Rules(users.by_user(may_leave=True), None, max_turns=1)
    state, _ = talk(rules, reply("Hi."), last)
    assert isinstance(state.phase, Stopped)
    assert (state.phase.reason, state.phase.turns) == (reason, 1)
    assert len(state.transcript) == 2


def test_the_last_question_says_that_nothing_more_is_sent_and_takes_any_words() -> None:
    end = evolve(LATER, closing=True)
    asked = decide(users.by_user(), end)
    assert "nothing more is sent. Say where you stand." in asked.prompt.question
    for gone in ("next message", "words that you send", "last words"):
        assert gone not in asked.prompt.question
    for words in ("", "And?", "Agent: Bye."):
        assert decide(users.by_user(), end, reply(words)) == Say("")
    assert decide(users.by_user(), end, reply("", "satisfied", "paid")) == Satisfied("paid")


def test_a_user_without_a_word_of_its_own_is_not_asked_after_the_last_reply() -> None:
    state, asked = talk(Rules(users.prompted(), None, max_turns=1), "Hi.")
    assert state.phase == Stopped(StopReason.MAX_TURNS, 1, "the limit of 1 turn")
    assert len(asked) == 1


def test_by_user_gives_up_only_where_it_may() -> None:
    gives_up = reply("Bye.", "blocked", "no way")
    assert decide(users.by_user(may_leave=True), LATER, gives_up) == Leave(
        "blocked: no way", "Bye."
    )
    assert isinstance(decide(users.by_user(), LATER, gives_up), Ask)
