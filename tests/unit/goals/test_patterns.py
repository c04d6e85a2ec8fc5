"""Goal checks that look for a regular expression."""

import re

import pytest

from convsim_fp import goals
from convsim_fp.core import Message, TestCase, Verdict, View
from convsim_fp.errors import InvalidSpec

CASE = TestCase(goal="x")
SAID = (Message("user", "Refund, please."), Message("agent", "Refunded:\n12 EUR."))
VIEW = View(CASE, 1, SAID)


def decide(check, view: View = VIEW) -> Verdict:
    verdict = check(view)
    assert isinstance(verdict, Verdict)
    return verdict


def waiting_for(goal_when: object, **fields) -> TestCase:
    return TestCase(goal="x", id="c1", extra={"goal_when": goal_when}, **fields)


def test_when_finds_its_pattern_in_a_message_of_the_agent_whatever_the_case() -> None:
    verdict = decide(goals.when(r"REFUNDED:\s+\d+"))
    assert verdict == Verdict(achieved=True, rationale=r"the agent wrote 'Refunded:\n12'")


def test_when_listens_to_one_speaker() -> None:
    assert not decide(goals.when("please")).achieved
    assert decide(goals.when("please", speaker="user")).achieved
    assert (
        "no message of the user matches '12 EUR'"
        in decide(goals.when("12 EUR", speaker="user")).rationale
    )


def test_when_sees_every_message_since_the_start_but_not_the_history() -> None:
    more = (*SAID, Message("user", "And?"), Message("agent", "Bye."))
    assert decide(goals.when("refunded"), View(CASE, 2, more)).achieved
    going_on = TestCase(goal="x", history=SAID)
    assert not decide(goals.when("refunded"), View(going_on, 1, more)).achieved
    assert decide(goals.when("bye"), View(going_on, 1, more)).achieved


def test_a_long_match_is_cut_in_the_rationale() -> None:
    long = View(CASE, 1, (Message("agent", "a" * 1_000_000),))
    assert len(decide(goals.when("a+"), long).rationale) < 300


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "pattern is '(', which is no regular expression: missing )"),
        ("a{99999999999999999999}", "pattern is 'a{99999999999999999999}', which is no regular"),
        (b"a", "pattern is a bytes, expected text"),
        (re.compile("a"), "pattern is a Pattern, expected text"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: object, problem: str) -> None:
    with pytest.raises(InvalidSpec) as error:
        goals.when(pattern)  # type: ignore[arg-type]
    assert str(error.value).startswith(problem)


@pytest.mark.parametrize("speaker", ["assistant", "", None, 3])
def test_what_is_no_speaker_is_refused(speaker: object) -> None:
    with pytest.raises(InvalidSpec) as error:
        goals.when("a", speaker=speaker)  # type: ignore[arg-type]
    assert str(error.value) == f"speaker is {speaker!r}, expected 'user' or 'agent'"


# goal_when of a case


@pytest.mark.parametrize(
    ("goal_when", "verdict"),
    [
        (r"refunded:\s+\d+", Verdict(achieved=True, rationale=r"the agent wrote 'Refunded:\n12'")),
        ({"pattern": "eur"}, Verdict(achieved=True, rationale="the agent wrote 'EUR'")),
        (
            {"pattern": "please", "speaker": "user"},
            Verdict(achieved=True, rationale="the user wrote 'please'"),
        ),
        (
            ["eur", {"pattern": "please", "speaker": "user"}],
            Verdict(achieved=True, rationale="the agent wrote 'EUR' · the user wrote 'please'"),
        ),
        (
            ["please", "eur", "bye"],
            Verdict(
                achieved=False,
                rationale="no message of the agent matches 'please' · "
                "no message of the agent matches 'bye'",
            ),
        ),
    ],
)
def test_without_a_pattern_those_of_the_case_must_all_have_matched(
    goal_when: object, verdict: Verdict
) -> None:
    assert decide(goals.when(), View(waiting_for(goal_when), 1, SAID)) == verdict


def test_the_patterns_of_a_case_may_match_in_different_messages_after_the_history() -> None:
    case = waiting_for(["refunded", "bye"], history=SAID)
    later = (*SAID, Message("user", "And?"), Message("agent", "Bye."))
    assert not decide(goals.when(), View(case, 1, later)).achieved
    again = (*later, Message("agent", "I refunded it."))
    assert decide(goals.when(), View(case, 2, again)).achieved


def test_the_speaker_is_for_the_patterns_that_name_none() -> None:
    case = waiting_for(["please", {"pattern": "eur", "speaker": "agent"}, {"pattern": "refund,"}])
    assert decide(goals.when(speaker="user"), View(case, 1, SAID)).achieved
    assert [check.speaker for check in goals.patterns_of(case, speaker="user")] == [
        "user",
        "agent",
        "user",
    ]


FORM = "a regular expression, an object with a pattern, or a list of these"


@pytest.mark.parametrize(
    ("goal_when", "problems"),
    [
        (None, [f"extra.goal_when is missing, expected {FORM}"]),
        ([], [f"extra.goal_when is empty, expected {FORM}"]),
        (" ", ["extra.goal_when is empty; write a regular expression"]),
        (7, [f"extra.goal_when is a number (7), expected {FORM}"]),
        ("(", ["extra.goal_when is '(', which is no regular expression: missing ), unterminated"]),
        ({}, ["extra.goal_when.pattern is missing; write a regular expression"]),
        (
            [
                "fine",
                {"pattern": "", "speaker": "assistant"},
                {"patern": "x", "speaker": "user"},
                None,
                {"pattern": 3, "zzz": 1},
                {"pattern": "[", "speaker": ["user"]},
            ],
            [
                "extra.goal_when[1].pattern is empty; write a regular expression",
                "extra.goal_when[1].speaker is 'assistant', expected 'user' or 'agent'",
                (
                    "extra.goal_when[2].patern is not a field that is read here; "
                    "did you mean 'pattern'?"
                ),
                "extra.goal_when[2].pattern is missing; write a regular expression",
                f"extra.goal_when[3] is nothing (null), expected {FORM}",
                (
                    "extra.goal_when[4].zzz is not a field that is read here; "
                    "known are pattern, speaker"
                ),
                "extra.goal_when[4].pattern is a number (3), expected text",
                "extra.goal_when[5].pattern is '[', which is no regular expression: unterminated",
                "extra.goal_when[5].speaker is ('user',), expected 'user' or 'agent'",
            ],
        ),
    ],
)
def test_all_that_is_wrong_with_a_goal_when_is_said_at_once(
    goal_when: object, problems: list[str]
) -> None:
    case = waiting_for(goal_when)
    with pytest.raises(InvalidSpec) as error:
        goals.patterns_of(case)
    for found, expected in zip(error.value.problems, problems, strict=True):
        assert str(found).startswith(f'case ("c1"): {expected}')
    with pytest.raises(InvalidSpec):
        goals.when()(View(case, 1, SAID))


def test_the_field_has_one_owner() -> None:
    assert dict(goals.FIELDS) == {"goal_when": goals.patterns_of}
