"""How conversations go, how they end, and what goes wrong in them."""

import json
import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import mlflow
import pytest
from aiohttp import web
from mlflow.exceptions import MlflowException

Messages = list[dict[str, str]]
Body = dict[str, Any]
WORKERS = "MLFLOW_GENAI_SIMULATOR_MAX_WORKERS"


def agent(input: Messages, **rest: Any) -> str:
    return f"It is on its way, as I said {len(input)} times."


def counts(found: list[list[Any]]) -> list[int]:
    return [len(traces) for traces in found]


def status(cls: Any, message: str, code: str = "") -> web.HTTPException:
    """An answer of an endpoint that cannot, in the form of OpenAI's."""
    error = {"message": message, "type": "error", "param": None, "code": code or None}
    made = cls(text=json.dumps({"error": error}), content_type="application/json")
    assert isinstance(made, web.HTTPException)
    return made


def refusing(wire: Any, goal: str, otherwise: Callable[[Body], str]) -> Callable[[Body], str]:
    """What answers as `otherwise` does, but in one conversation with what no attempt will mend."""

    def answered(body: Body) -> str:
        if goal in wire.text(body):
            raise status(web.HTTPBadRequest, "no such parameter")
        return otherwise(body)

    return answered


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
            raise status(web.HTTPBadRequest, "no such parameter")
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

    wire.user = refusing(wire, "a user lost", wire.ask)
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
    wire.user = refusing(wire, "g", wire.ask)
    with pytest.raises(MlflowException, match="Simulation produced no traces"):
        simulator_class([{"goal": "g"}], 2, wire.uri).simulate(agent)


def test_each_conversation_says_why_it_ended(simulator_class: Any, store: str, wire: Any) -> None:
    """D28, C34: in words and typed; a goal check that fails is told, too."""

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


def test_a_goal_check_that_fails_or_babbles_counts_as_not_achieved(
    simulator_class: Any, store: str, wire: Any, logs: pytest.LogCaptureFixture
) -> None:
    """C34."""

    def babbled(body: Body) -> str:
        return (
            "It may be so, and it may not." if "babbled" in wire.text(body) else wire.verdict("no")
        )

    wire.judge = refusing(wire, "refused", babbled)
    cases = [{"goal": goal} for goal in ("fine", "refused", "babbled")]
    found = simulator_class(cases, 2, wire.uri).simulate(agent)
    assert counts(found) == [2, 2, 2]
    warned = [one for one in logs.records if "oal" in one.getMessage()]
    assert {one.levelname for one in warned} >= {"WARNING"}
    assert len(warned) >= 2


VERDICTS: dict[str, Callable[[], str]] = {
    "bare": lambda: '{"rationale": "It is told.", "result": "yes"}',
    "fenced": lambda: '```json\n{"rationale": "It is told.", "result": "yes"}\n```',
    "prefixed": lambda: 'Here it is: {"rationale": "It is told.", "result": "yes"}',
    "suffixed": lambda: '{"rationale": "It is told.", "result": "yes"}\nHope that helps.',
    "raw newline": lambda: '{"rationale": "It is\ntold.", "result": "yes"}',
    "bare result": lambda: '{"result": "yes"}',
    "boolean": lambda: '{"rationale": "It is told.", "result": true}',
    "a word": lambda: "Yes.",
}


def test_a_verdict_is_read_in_whatever_form_it_comes(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """D14: a yes is a yes."""

    def judge(body: Body) -> str:
        (form,) = (form for form in VERDICTS if f"form: {form}." in wire.text(body))
        return VERDICTS[form]()

    wire.judge = judge
    cases = [{"goal": f"form: {form}."} for form in VERDICTS]
    found = simulator_class(cases, 2, wire.uri).simulate(agent)
    assert dict(zip(VERDICTS, counts(found), strict=True)) == dict.fromkeys(VERDICTS, 1)


def test_a_judge_that_takes_no_temperature_is_asked_without(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """D13: once it has said so, and its verdict counts."""
    refused: list[Body] = []

    def judge(body: Body) -> str:
        if "temperature" not in body:
            return str(wire.verdict("yes"))
        refused.append(body)
        what = "Unsupported value: 'temperature' does not support 0 with this model."
        raise status(web.HTTPBadRequest, what, "unsupported_value")

    wire.judge = judge
    found = simulator_class([{"goal": "g"}], 3, wire.uri).simulate(agent)
    assert counts(found) == [1]
    assert len(refused) <= 1


@pytest.mark.parametrize("refusal", [web.HTTPBadRequest, web.HTTPUnauthorized])
def test_what_no_attempt_will_mend_is_asked_once(
    refusal: Any, simulator_class: Any, store: str, wire: Any
) -> None:
    """D11."""

    def user(body: Body) -> str:
        raise status(refusal, "no")

    wire.user = user
    with pytest.raises(MlflowException):
        simulator_class([{"goal": "g"}], 2, wire.uri).simulate(agent)
    assert wire.loopback.count == 1


@pytest.mark.parametrize("uri", ["openai:/m", "hosted_vllm:/m"])
def test_what_may_pass_is_asked_again_whatever_the_way_to_the_model(
    uri: str, simulator_class: Any, store: str, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C76, D12: one policy of retries for all, for a connection that is lost, too."""
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", wire.loopback.base)
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", "k")
    wire.loopback.faults.extend(["429", "reset"])
    found = simulator_class([{"goal": "g"}], 1, uri).simulate(agent)
    assert counts(found) == [1]
    assert wire.loopback.count == 4
    assert len(wire.goal_checks) == 1


def test_a_call_that_goes_on_failing_is_at_most_four_requests(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """C76."""

    def user(body: Body) -> str:
        if "lost" in wire.text(body):
            raise status(web.HTTPServiceUnavailable, "down")
        return str(wire.ask(body))

    wire.user = user
    cases = [{"goal": "lost"}, {"goal": "found"}]
    found = simulator_class(cases, 1, wire.uri).simulate(agent)
    assert counts(found) == [0, 1]
    assert 2 <= len(wire.prompts_of("lost")) <= 4


@pytest.mark.parametrize(("told", "workers", "cases"), [("3", 3, 7), (None, 10, 20)])
def test_so_many_conversations_go_on_at_once(
    told: str | None,
    workers: int,
    cases: int,
    simulator_class: Any,
    store: str,
    wire: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """C35."""
    if told is not None:
        monkeypatch.setenv(WORKERS, told)
    lock, full = threading.Lock(), threading.Event()
    inside: list[int] = []
    most: list[int] = []

    def slow(input: Messages, **rest: Any) -> str:
        with lock:
            inside.append(1)
            most.append(len(inside))
            if len(inside) == workers:
                full.set()
        full.wait(30)  # nobody leaves before as many as may be are inside
        with lock:
            inside.pop()
        return agent(input)

    found = simulator_class([{"goal": "g"}] * cases, 1, wire.uri).simulate(slow)
    assert counts(found) == [1] * cases
    assert max(most) == workers


@pytest.mark.parametrize("workers", ["0", "-1"])
def test_a_number_of_workers_that_cannot_be_is_refused_by_name(
    workers: str,
    simulator_class: Any,
    store: str,
    wire: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """D47."""
    monkeypatch.setenv(WORKERS, workers)
    with pytest.raises((ValueError, MlflowException), match=WORKERS):
        simulator_class([{"goal": "g"}], 1, wire.uri).simulate(agent)
    assert wire.loopback.count == 0


def test_the_levels_of_loggers_are_left_alone(simulator_class: Any, store: str, wire: Any) -> None:
    """D16: also where two simulations overlap, and the first to begin is the first to end."""
    names = ("mlflow.tracing.export.async_export_queue", "mlflow.tracing.fluent", "mlflow", "")
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    seen: list[list[int]] = []
    begun, ended = threading.Event(), threading.Event()

    def first(input: Messages, **rest: Any) -> str:
        begun.wait(30)
        seen.append([logger.level for logger in loggers])
        return agent(input)

    def second(input: Messages, **rest: Any) -> str:
        begun.set()
        ended.wait(30)
        return agent(input)

    def simulate(predict_fn: Any) -> None:
        simulator_class([{"goal": "g"}], 1, wire.uri).simulate(predict_fn)

    with mlflow.start_run():
        threads = [threading.Thread(target=simulate, args=[one]) for one in (first, second)]
        for thread in threads:
            thread.start()
        threads[0].join()
        ended.set()
        threads[1].join()
    assert seen == [before]
    assert [logger.level for logger in loggers] == before


def test_ctrl_c_ends_it_and_nothing_more_is_asked(
    simulator_class: Any, store: str, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D27."""
    monkeypatch.setenv(WORKERS, "2")
    calls: list[str] = []

    def interrupted(input: Messages, mlflow_session_id: str) -> str:
        calls.append(mlflow_session_id)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        return agent(input)

    simulator = simulator_class([{"goal": "g"}] * 20, 1, wire.uri)
    with pytest.raises(KeyboardInterrupt):
        simulator.simulate(interrupted)
    assert len(calls) < 20
    assert mlflow.active_run() is None
    (run,) = mlflow.search_runs(output_format="list")
    assert run.info.status in ("FAILED", "KILLED")


def test_progress_is_told_as_users_of_mlflow_know_it(
    simulator_class: Any, store: str, wire: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """C74: conversations done, and whose time it was."""
    simulator_class([{"goal": "g"}] * 2, 1, wire.uri).simulate(agent)
    told = capsys.readouterr()
    assert "Simulating conversations" not in told.out
    assert "Simulating conversations" in told.err
    assert "0/2" in told.err
    assert "2/2" in told.err
    assert "(predict: 0%, simulator: 0%)" in told.err
    shares = re.findall(r"\(predict: ([0-9.]+)%, simulator: ([0-9.]+)%\)", told.err)
    assert sum(map(float, shares[-1])) == pytest.approx(100, abs=0.2)
