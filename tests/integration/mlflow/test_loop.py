"""How conversations go, how they end, and what is told of it."""

from typing import Any

import pytest
from aiohttp import web
from mlflow.exceptions import MlflowException

Messages = list[dict[str, str]]
Body = dict[str, Any]


def agent(input: Messages, **rest: Any) -> str:
    return f"It is on its way, as I said {len(input)} times."


def counts(found: list[list[Any]]) -> list[int]:
    return [len(traces) for traces in found]


def test_a_turn_is_a_message_an_answer_and_a_goal_check(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """C23, C24, C25: turn t has 2t + 1 messages of role and content. C26: max_turns ends it."""
    events: list[str] = []
    told: list[Messages] = []

    def noting(input: Messages, **rest: Any) -> str:
        events.append("agent")
        told.append([dict(message) for message in input])
        return f"answer {len(input)}"

    def user(body: Body) -> str:
        events.append("user")
        return str(wire.ask(body))

    def judge(body: Body) -> str:
        events.append("judge")
        return str(wire.verdict("no"))

    wire.user, wire.judge = user, judge
    found = simulator_class([{"goal": "g"}], 3, wire.uri).simulate(noting)
    assert counts(found) == [3]
    assert events == ["user", "agent", "judge"] * 3
    asked = [{"role": "user", "content": f"And what about parcel {n}?"} for n in (1, 2, 3)]
    said = [{"role": "assistant", "content": f"answer {n}"} for n in (1, 3, 5)]
    whole = [message for turn in zip(asked, said, strict=True) for message in turn]
    assert told == [whole[:1], whole[:3], whole[:5]]


def test_a_conversation_ends_for_one_of_these_reasons(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """C26, C27, C28, C30, C32, C33: each in its place, and none of them ends another one."""
    yes = {"quickly served": " YES\n", "slowly served": "Yes"}

    def judge(body: Body) -> str:
        told = wire.text(body)
        at_once = "quickly served" in told
        late = "slowly served" in told and "said 3 times" in told
        return str(wire.verdict(yes["quickly served"] if at_once else "Yes" if late else "no"))

    def odd(input: Messages, answers: list[Any], **rest: Any) -> Any:
        answer = answers[len(input) // 2] if answers else agent(input)
        if answer == "broken":
            raise RuntimeError("out of order")
        return answer

    def user(body: Body) -> str:
        if "a user lost" in wire.text(body) and "It is on its way" in wire.text(body):
            raise wire.status(web.HTTPBadRequest, "no such parameter")
        return str(wire.ask(body))

    answers: dict[str, list[Any]] = {
        "never served": [],
        "quickly served": [],
        "slowly served": [],
        "none of an answer": ["Well.", None],
        "an empty answer": [""],
        "a blank answer": ["Well.", " \n"],
        "a broken agent": ["Well.", "broken"],
        "broken at once": ["broken"],
        "a user lost": [],
    }
    wire.judge, wire.user = judge, user
    cases = [{"goal": goal, "context": {"answers": told}} for goal, told in answers.items()]
    simulator = simulator_class(cases, 3, wire.uri)
    found = simulator.simulate(odd)
    turns = dict(zip(answers, counts(found), strict=True))
    checks = {goal: len(wire.checks_of(goal)) for goal in answers}
    broken = turns.pop("a broken agent"), turns.pop("broken at once")
    assert broken in ((1, 0), (2, 1))  # with D34, the trace of the failing turn counts
    assert turns == {
        "never served": 3,
        "quickly served": 1,
        "slowly served": 2,
        "none of an answer": 2,
        "an empty answer": 1,
        "a blank answer": 2,
        "a user lost": 1,
    }
    assert checks == {
        "never served": 3,
        "quickly served": 1,
        "slowly served": 2,
        "none of an answer": 1,
        "an empty answer": 0,
        "a blank answer": 1,
        "a broken agent": 1,
        "broken at once": 0,
        "a user lost": 1,
    }


def test_what_breaks_a_conversation_is_logged(
    simulator_class: Any, store: str, wire: Any, logs: pytest.LogCaptureFixture
) -> None:
    """C30, C32, C33: what failed at once is an empty list in its place."""

    def broken(input: Messages, **rest: Any) -> str:
        if "broken" in rest:
            raise RuntimeError("out of order")
        return agent(input)

    wire.user = wire.refusing("a user lost", wire.ask)
    cases = [
        {"goal": "fine"},
        {"goal": "a broken agent", "context": {"broken": 1}},
        {"goal": "a user lost"},
        {"goal": "fine, too"},
    ]
    found = simulator_class(cases, 1, wire.uri).simulate(broken)
    assert counts(found) in ([1, 0, 0, 1], [1, 1, 0, 1])  # with D34, the failing turn counts
    told = [one.getMessage() for one in logs.records if one.levelname == "ERROR"]
    assert any("out of order" in words for words in told)
    assert len(told) >= 2


def test_where_nothing_went_at_all_it_is_an_error(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """C31, C33."""
    wire.user = wire.refusing("g", wire.ask)
    with pytest.raises(MlflowException, match="Simulation produced no traces"):
        simulator_class([{"goal": "g"}], 2, wire.uri).simulate(agent)


def test_each_conversation_says_why_it_ended(simulator_class: Any, store: str, wire: Any) -> None:
    """D28: typed, in words, and on its traces."""

    def answered(input: Messages, goal: str, **rest: Any) -> str | None:
        if goal == "goal D":
            raise RuntimeError("out of order")
        return None if goal == "goal C" else agent(input)

    def judge(body: Body) -> str:
        return str(wire.verdict("yes" if "goal A" in wire.text(body) else "no"))

    wire.judge = judge
    goals = ["goal A", "goal B", "goal C", "goal D"]
    cases = [{"goal": goal, "context": {"goal": goal}} for goal in goals]
    simulator = simulator_class(cases, 2, wire.uri)
    found = simulator.simulate(answered)
    assert [one.stop_reason for one in simulator.sessions] == [
        "goal_achieved",
        "max_turns",
        "agent_ended",
        "agent_failed",
    ]
    assert "out of order" in simulator.sessions[3].detail
    assert [one.goal for one in simulator.sessions] == goals
    assert [len(one.transcript) for one in simulator.sessions] == [2, 4, 1, 1]
    for session, traces in zip(simulator.sessions[:3], found[:3], strict=True):
        for trace in traces:
            assert trace.info.trace_metadata["convsim.stop_reason"] == session.stop_reason.value
