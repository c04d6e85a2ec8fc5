"""States to JSON and back: what is not exactly a state is refused, with the place."""

import json
from typing import Any

import pytest
from hypothesis import given

from convsim_fp import goals, users
from convsim_fp.core import (
    CallAgent,
    Generate,
    Lane,
    Message,
    RequestId,
    Rules,
    Session,
    State,
    StopReason,
    TestCase,
    ToolCall,
    start,
)
from convsim_fp.errors import JournalError
from convsim_fp.interpreters import Ports
from convsim_fp.journal import digest, state_from_json, state_to_json
from convsim_fp.testing import drive, observing
from convsim_fp.testing import strategies as any_of

RULES = Rules(users.prompted(), goals.prompted())
CASE = TestCase(goal="return", context={"order": 7}, tags=["a"], simulation_guidelines="Be brief.")
BEGUN = start(RULES, CASE)


def plain(state: State = BEGUN.state) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(state_to_json(state))
    return read


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("phase", "turn"), "1", "phase.turn is '1', expected a whole number"),
        (("phase", "turn"), True, "phase.turn is True, expected a whole number"),
        (("phase", "phase"), "Sleeping", "phase has 'Sleeping', which is missing or unknown"),
        (("case", "goal"), 7, "case.goal is 7, expected text"),
        (("case", "agent_opens"), 1, "is 1, expected true or false"),
        (("case", "tags"), [7], "case.tags[0] is 7, expected text"),
        (("case", "gaol"), "x", "case has 'gaol', which nothing reads"),
        (("case", "context"), "x", "context"),
        (("memo",), float("nan"), "NaN"),
        (("transcript",), [{"speaker": "system", "text": ""}], ": transcript[0].speaker "),
        (("phase",), {"phase": "Speaking"}, "phase.turn is missing"),
    ],
)
def test_what_is_no_state_is_refused_with_its_place(
    path: tuple[str, ...], value: object, complaint: str
) -> None:
    read = plain()
    holder = read
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    with pytest.raises(JournalError, match="this is no state") as refused:
        state_from_json(json.dumps(read))
    assert complaint in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '{"case": 7}', "[" * 100_000])
def test_any_other_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(JournalError, match="this is no state"):
        state_from_json(text)


def test_a_goal_that_is_empty_is_refused_as_a_state_too() -> None:
    read = plain()
    read["case"]["goal"] = " "
    with pytest.raises(JournalError, match="goal is empty"):
        state_from_json(json.dumps(read))


def test_a_stopped_state_keeps_its_reason_and_its_kind() -> None:
    ports = Ports(agent=lambda _: "", user_model=lambda _: "Hello?")
    end = drive(RULES, BEGUN, observing(ports))
    read = state_from_json(state_to_json(end))
    assert read == end
    assert read.phase.reason is StopReason.AGENT_ENDED  # type: ignore[union-attr]


def test_tool_calls_and_memos_come_back_frozen() -> None:
    call = ToolCall("refund", {"lines": [1, 2.5, None, {"ok": True}]}, "call-1")
    state = State(CASE, Session("s", 2, 7), BEGUN.state.phase, (Message("agent", "", (call,)),))
    read = state_from_json(state_to_json(state))
    assert read == state
    assert hash(read) == hash(state)


@given(any_of.json_values())
def test_any_json_memo_comes_back(memo: object) -> None:
    """Numbers, surrogates, nesting: whatever JSON can hold."""
    read = {**plain(), "memo": memo}
    state = state_from_json(json.dumps(read))
    assert json.loads(state_to_json(state))["memo"] == memo
    assert state_from_json(state_to_json(state)) == state


def test_a_digest_covers_all_that_an_answer_may_depend_on() -> None:
    asked = BEGUN.requests[0]
    assert isinstance(asked, Generate)
    assert digest(asked) == digest(start(RULES, CASE, Session("other", 9, 9)).requests[0])
    others = [
        start(RULES, TestCase(goal="exchange")).requests[0],
        start(Rules(users.by_user(), None), CASE).requests[0],
        Generate(RequestId(1, Lane.USER, 1), asked.session, CASE, asked.prompt),
        CallAgent(asked.id, asked.session, CASE, ()),
        CallAgent(asked.id, asked.session, TestCase(goal="return"), ()),
        CallAgent(asked.id, asked.session, CASE, (Message("user", "a"),)),
        CallAgent(asked.id, asked.session, CASE, (Message("agent", "a"),)),
    ]
    digests = {digest(request) for request in (asked, *others)}
    assert len(digests) == 1 + len(others)
