"""Users whose words a model writes: what they ask for, and how often."""

import json
from collections.abc import Callable

import pytest
from attrs import evolve

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    Ask,
    Generate,
    Generated,
    Message,
    Observation,
    Request,
    Rules,
    Say,
    State,
    Stopped,
    StopReason,
    TestCase,
    View,
    start,
    thaw,
)
from convsim_fp.errors import InvalidSpec
from convsim_fp.testing import drive
from convsim_fp.texts import V1, Facts

CASE = TestCase(goal="Return the red shoes", id="shoes")
SAID = (Message("user", "My shoes are too small."), Message("agent", "Which ones?"))
OPENING, LATER = View(CASE, 1), View(CASE, 2, SAID)


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


def question_of(user, view: View, *replies: str) -> str:
    asked = decide(user, view, *replies)
    assert isinstance(asked, Ask)
    return asked.prompt.question


# Speech


def test_a_plain_user_says_what_the_model_writes() -> None:
    assert decide(users.prompted(), LATER, ' "The red ones." ') == Say("The red ones.")


def test_a_plain_user_may_speak_of_json() -> None:
    assert decide(users.prompted(), LATER, '{"a": 1}') == Say('{"a": 1}')


def test_an_unusable_reply_is_asked_for_again_with_the_reason() -> None:
    state, asked = talk(Rules(users.prompted(), goals.never, max_turns=1), "", "Agent: hm", "Hi.")
    assert [message.text for message in state.transcript] == ["Hi.", "Which ones?"]
    assert [str(request.id) for request in asked] == ["1/user/0", "1/user/1", "1/user/2"]
    assert "could not be used" not in asked[0].prompt.question
    assert "it has no words to send" in asked[1].prompt.question
    assert "it speaks for the agent too" in asked[2].prompt.question
    assert asked[0].messages[:-1] == asked[2].messages[:-1]


@pytest.mark.parametrize("most", [1, 2, 5])
def test_as_often_as_allowed_then_the_user_has_failed_with_the_last_reason(most: int) -> None:
    replies = (["", "Agent: hm"] * 3)[:most]
    state, asked = talk(Rules(users.prompted(), goals.never, max_asks=most), *replies)
    assert len(asked) == most
    end = state.phase
    assert isinstance(end, Stopped)
    last = "it has no words to send" if most % 2 else "it speaks for the agent too"
    assert (end.reason, end.turns) == (StopReason.USER_FAILED, 0)
    assert end.detail.startswith(f"unusable_replies: {most} replies could not be used; the last: ")
    assert last in end.detail


def test_the_bound_counts_anew_each_turn() -> None:
    rules = Rules(users.prompted(), goals.never, max_turns=2, max_asks=2)
    state, _ = talk(rules, "", "Hi.", "", "The red ones.")
    assert isinstance(state.phase, Stopped)
    assert state.phase.reason is StopReason.MAX_TURNS


# Prompts


def test_the_opening_asks_for_a_natural_first_step_and_not_the_goal() -> None:
    assert "a natural first step, not the goal itself" in question_of(users.prompted(), OPENING)
    assert "next message" in question_of(users.prompted(), LATER)


def test_guidelines_take_precedence_over_the_first_step() -> None:
    guided = TestCase(goal="x", simulation_guidelines="Say it all at once.")
    assert "Unless the guidelines differ" in question_of(users.prompted(), View(guided, 1))


def test_after_a_history_with_the_users_words_there_is_no_first_message() -> None:
    going_on = TestCase(goal="x", history=SAID)
    assert "next message" in question_of(users.prompted(), View(going_on, 1, SAID))
    opened = View(TestCase(goal="x", agent_opens=True), 1, (Message("agent", "Hello!"),))
    assert "first message" in question_of(users.prompted(), opened)


def test_only_a_user_that_may_leave_is_told_of_statuses_and_only_after_its_first_word() -> None:
    assert "status" not in question_of(users.prompted(), LATER)
    assert "gave_up" not in question_of(users.prompted(may_leave=True), OPENING)
    for status in ("continue", "satisfied", "gave_up", "blocked"):
        assert f'- "{status}"' in question_of(users.prompted(may_leave=True), LATER)
        assert f'- "{status}"' in question_of(users.by_user(may_leave=True), LATER)
    own = question_of(users.by_user(), LATER)
    assert '- "satisfied"' in own
    assert "gave_up" not in own


def test_the_schema_of_a_structured_reply_is_the_same_at_every_turn() -> None:
    for user in (users.prompted(may_leave=True), users.by_user()):
        schemas = [decide(user, view).prompt.schema for view in (OPENING, LATER)]
        assert schemas[0] == schemas[1] is not None
    assert decide(users.prompted(), LATER).prompt.schema is None


def test_the_schema_is_strict_and_asks_for_the_reason_before_the_words() -> None:
    schema = thaw(decide(users.by_user(), LATER).prompt.schema)
    assert json.dumps(schema) == json.dumps(
        {
            "type": "object",
            "properties": {
                "reason": {"type": "string"},
                "status": {"type": "string", "enum": ["continue", "satisfied"]},
                "message": {"type": "string"},
            },
            "required": ["reason", "status", "message"],
            "additionalProperties": False,
        }
    )


def test_the_system_text_carries_the_case_and_never_the_question_of_the_moment() -> None:
    case = TestCase(
        goal="Find </goal> box {4}",
        persona="Kim & co",
        simulation_guidelines=["Be brief.", " ", "Ask twice."],
        extra={"knows": "the form", "does_not_know": ["the sum", ""], "language": "Deutsch"},
    )
    system = decide(users.prompted(), View(case, 1)).prompt.system
    for part in (
        "<goal>\nFind &lt;/goal> box {4}\n</goal>",
        "<persona>\nKim & co\n</persona>",
        "<known>\nthe form\n</known>",
        "<unknown>\nthe sum\n</unknown>",
        "<language>\nDeutsch\n</language>",
        "they win:\n<guidelines>\n- Be brief.\n- Ask twice.\n</guidelines>",
    ):
        assert part in system
    assert system.endswith("</guidelines>")
    assert system == decide(users.prompted(), View(case, 2, SAID), "").prompt.system


def test_a_bare_case_has_no_empty_sections() -> None:
    system = decide(users.prompted(), View(TestCase(goal="x", persona=" "), 1)).prompt.system
    for tag in ("persona", "known", "unknown", "language", "guidelines"):
        assert f"<{tag}>" not in system
    assert "the language of the goal" in system


# Facts


def test_the_facts_of_a_case_are_texts_or_lists_of_texts() -> None:
    case = TestCase(
        goal="x", extra={"knows": "a", "does_not_know": ["b", "c"], "language": "Deutsch"}
    )
    assert users.facts_of(case) == Facts(("a",), ("b", "c"), "Deutsch")
    nothing = {"knows": None, "does_not_know": [], "language": None, "other": 7}
    assert users.facts_of(TestCase(goal="x", extra=nothing)) == Facts()


def test_all_that_is_wrong_with_the_facts_is_said_at_once() -> None:
    extra = {"knows": ["a", 3], "does_not_know": False, "language": ["de"]}
    with pytest.raises(InvalidSpec) as error:
        users.facts_of(TestCase(goal="x", id="c1", extra=extra))
    assert str(error.value).splitlines() == [
        'case ("c1"): extra.knows[1] is a number (3), expected text; put it in quotes',
        'case ("c1"): extra.does_not_know is a boolean (false), expected text or a list of texts',
        'case ("c1"): extra.language is a list, expected text',
    ]


def test_wrong_facts_end_the_session_typed() -> None:
    case = TestCase(goal="x", extra={"knows": 7})
    state, asked = talk(Rules(users.prompted(), goals.never), case=case)
    assert isinstance(state.phase, Stopped)
    assert state.phase.reason is StopReason.USER_FAILED
    assert "extra.knows is a number (7)" in state.phase.detail
    assert asked == []


def test_a_wording_of_your_own_is_used() -> None:
    def shouts(build: Callable[..., str]) -> Callable[..., str]:
        return lambda *given: build(*given).upper()

    loud = evolve(V1, version="loud", user_question=shouts(V1.user_question))
    assert "NEXT MESSAGE" in question_of(users.prompted(wording=loud), LATER)
    assert "NEXT MESSAGE" in question_of(users.by_user(wording=loud), LATER)
