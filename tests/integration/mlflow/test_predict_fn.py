"""How the agent under test is called, and what it may answer with."""

import asyncio
import functools
import json
import re
from collections.abc import Callable
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.types.responses import ResponsesAgentResponse

Messages = list[dict[str, str]]
ANSWER = "It is on its way."


class Desk:
    """An agent in each of the forms of a callable; keeps the histories that it was given."""

    def __init__(self) -> None:
        self.histories: list[Messages] = []

    def __call__(self, messages: Messages, **rest: Any) -> str:
        self.histories.append([dict(message) for message in messages])
        return ANSWER

    def reply(self, input: Messages, **rest: Any) -> str:
        return self(input)

    def toned(self, tone: str, input: Messages, **rest: Any) -> str:
        return self(input)


class AsyncDesk(Desk):
    async def __call__(self, messages: Messages, **rest: Any) -> str:
        await asyncio.sleep(0)
        return super().__call__(messages)

    async def areply(self, input: Messages, **rest: Any) -> str:
        return await self(input)


def simulated(simulator_class: Any, wire: Any, predict_fn: Any, *, turns: int = 2) -> Any:
    return simulator_class([{"goal": "g"}], turns, wire.uri).simulate(predict_fn)


SYNC: dict[str, Callable[[Desk], Any]] = {
    "messages": lambda desk: lambda messages, mlflow_session_id: desk(messages),
    "input": lambda desk: lambda input, mlflow_session_id: desk(input),
    "keyword only": lambda desk: lambda *, input, **rest: desk(input),
    "bound method": lambda desk: desk.reply,
    "instance": lambda desk: desk,
    "partial": lambda desk: functools.partial(desk.toned, "kind"),
}
ASYNC: dict[str, Callable[[AsyncDesk], Any]] = {
    "async method": lambda desk: desk.areply,
    "async __call__": lambda desk: desk,
    "partial of async": lambda desk: functools.partial(desk.areply, tone="kind"),
    "lambda of a coroutine": lambda desk: lambda input, **rest: desk.areply(input),
}


def test_an_agent_is_called_in_whatever_form_it_comes(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """C17, C18, C21: the history goes to the parameter named `messages` or `input`."""
    with mlflow.start_run():
        for form, make in SYNC.items():
            desk = Desk()
            ((trace,),) = simulated(simulator_class, wire, make(desk), turns=1)
            assert [len(told) for told in desk.histories] == [1], form
            assert trace.data.spans[0].outputs == ANSWER, form


@pytest.mark.parametrize("form", ASYNC)
def test_an_async_agent_is_awaited(form: str, simulator_class: Any, store: str, wire: Any) -> None:
    """D9: a coroutine is never taken for an answer."""
    desk = AsyncDesk()
    (found,) = simulated(simulator_class, wire, ASYNC[form](desk))
    assert [trace.data.spans[0].outputs for trace in found] == [ANSWER] * 2
    assert desk.histories[1][1] == {"role": "assistant", "content": ANSWER}


def both(input: Messages, messages: Messages, **rest: Any) -> str:
    raise AssertionError


def neither(question: str) -> str:
    raise AssertionError


def anything(**rest: Any) -> str:
    raise AssertionError


@pytest.mark.parametrize(
    ("predict_fn", "words"),
    [
        (both, "cannot have both 'messages' and 'input' parameters"),
        (neither, "must accept either 'messages' or 'input'"),
        (anything, "must accept either 'messages' or 'input'"),
    ],
)
def test_an_agent_that_does_not_say_where_the_history_goes_is_refused(
    predict_fn: Any, words: str, simulator_class: Any, store: str, wire: Any
) -> None:
    """C19, C20: before any request and before there is a run."""
    with pytest.raises(MlflowException, match=words):
        simulated(simulator_class, wire, predict_fn)
    assert wire.loopback.count == 0
    assert mlflow.search_runs(output_format="list") == []


def test_an_agent_that_takes_no_session_id_is_not_given_it(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """D22."""

    def agent(input: Messages, order: str = "W7") -> str:
        return f"{order} is on its way."

    cases = [{"goal": "g"}, {"goal": "h", "context": {"order": "W8"}}]
    found = simulator_class(cases, 2, wire.uri).simulate(agent)
    assert [len(traces) for traces in found] == [2, 2]
    assert found[1][0].data.spans[0].outputs == "W8 is on its way."


def by_position(input: Messages, /, **rest: Any) -> str:
    raise AssertionError


def too_much(input: Messages, order: str, **rest: Any) -> str:
    raise AssertionError


def too_little(input: Messages, mlflow_session_id: str) -> str:
    raise AssertionError


@pytest.mark.parametrize(
    ("predict_fn", "context", "word"),
    [
        (by_position, {}, "position"),
        (too_much, {}, "order"),
        (too_little, {"order": "W7"}, "order"),
    ],
)
def test_an_agent_that_no_call_fits_is_refused_at_once(
    predict_fn: Any, context: Any, word: str, simulator_class: Any, store: str, wire: Any
) -> None:
    """D22: not at every call, after a request has been paid for."""
    simulator = simulator_class([{"goal": "g", "context": context}], 1, wire.uri)
    with pytest.raises(MlflowException, match=word):
        simulator.simulate(predict_fn)
    assert wire.loopback.count == 0
    assert mlflow.search_runs(output_format="list") == []


def test_the_context_and_the_session_come_as_keywords(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """C22: one session id in all turns of a conversation, and no other has it."""
    calls: list[tuple[str, str]] = []

    def agent(input: Messages, order: str, **rest: Any) -> str:
        calls.append((order, rest["mlflow_session_id"]))
        return ANSWER

    cases = [{"goal": "g", "context": {"order": order}} for order in ("W7", "W8")]
    simulator = simulator_class(cases, 2, wire.uri)
    first = simulator.simulate(agent)
    simulator.simulate(agent)
    assert sorted(order for order, _ in calls) == ["W7"] * 4 + ["W8"] * 4
    assert len(set(calls[:4])) == 2
    assert len(set(calls)) == 4
    assert all(re.fullmatch(r"sim-[0-9a-f]{16}", session) for _, session in calls)
    told = {trace.info.trace_metadata["mlflow.trace.session"] for t in first for trace in t}
    assert told == {session for _, session in calls[:4]}


def test_what_an_agent_does_to_its_messages_is_not_seen(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """D10: each call has a list and dicts of its own."""
    kept: list[Messages] = []

    def agent(messages: Messages, **rest: Any) -> str:
        kept.append(messages)
        messages[0]["content"] = "I am the president."
        messages.append({"role": "user", "content": "Give all of it to me."})
        return ANSWER

    ((first, second, third),) = simulated(simulator_class, wire, agent, turns=3)
    assert [len(messages) for messages in kept] == [2, 4, 6]
    assert len(set(map(id, kept))) == 3
    sent = "\n".join(map(wire.text, (*wire.user_prompts, *wire.goal_checks)))
    assert "president" not in sent
    assert "Give all" not in sent
    for trace in (first, second, third):
        assert "president" not in json.dumps(trace.data.spans[0].inputs)


def completion(content: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


def completion_object() -> Any:
    from openai.types.chat import ChatCompletion

    return ChatCompletion.model_validate(completion(ANSWER))


def output(*texts: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }


CALL = {"type": "function_call", "id": "f", "call_id": "c", "name": "look", "arguments": "{}"}
USER = {"role": "user", "content": "Where is it?"}
SAID = {"role": "assistant", "content": ANSWER}

# The answers that MLflow reads, and what it reads in them.
FORMS: dict[str, tuple[Callable[[], Any], str]] = {
    "text": (lambda: ANSWER, ANSWER),
    "chat completion": (lambda: completion(ANSWER), ANSWER),
    "chat completion, object": (completion_object, ANSWER),
    "responses": (lambda: {"output": [output(ANSWER)]}, ANSWER),
    "responses, object": (lambda: ResponsesAgentResponse(output=[output(ANSWER)]), ANSWER),
    "messages": (lambda: {"messages": [USER, SAID]}, ANSWER),
    "list": (lambda: [ANSWER, "never"], ANSWER),
    "list of completions": (lambda: [completion(ANSWER)], ANSWER),
    "another dict": (lambda: {"status": 42}, '{"status": 42}'),
}
PARTS = [{"type": "text", "text": "It is "}, {"type": "text", "text": "on its way."}]
# Answers in parts, of which MLflow reads the first one or all the JSON around them.
IN_PARTS: dict[str, Any] = {
    "chat parts": completion(PARTS),
    "several texts": {"output": [output("It is ", "on its way.")]},
    "a call at the end": {"output": [output(ANSWER), CALL]},
    "messages in parts": {"messages": [USER, {"role": "assistant", "content": PARTS}]},
}


def heard(simulator_class: Any, wire: Any, answers: dict[str, Callable[[], Any]]) -> dict[str, str]:
    """What stands in the second turn's history as each answer's text."""
    told: dict[str, str] = {}

    def agent(input: Messages, form: str, **rest: Any) -> Any:
        if len(input) == 3:
            told[form] = input[1]["content"]
        return answers[form]()

    cases = [{"goal": "g", "context": {"form": form}} for form in answers]
    simulator_class(cases, 2, wire.uri).simulate(agent)
    return told


def test_an_answer_is_read_in_each_of_its_forms(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """C29."""
    told = heard(simulator_class, wire, {form: make for form, (make, _) in FORMS.items()})
    assert told == {form: text for form, (_, text) in FORMS.items()}


def test_an_answer_in_parts_is_their_text(simulator_class: Any, store: str, wire: Any) -> None:
    """D37."""
    told = heard(simulator_class, wire, {form: lambda a=a: a for form, a in IN_PARTS.items()})
    assert told == dict.fromkeys(IN_PARTS, ANSWER)


ODD: dict[str, Callable[[], Any]] = {
    "int": lambda: 42,
    "bytes": lambda: b"It is on its way.",
    "tuple": lambda: (ANSWER,),
    "empty list": list,
    "generator": lambda: (word for word in ANSWER.split()),
    "object": object,
}


def test_an_answer_that_is_none_is_text_or_told(
    simulator_class: Any, store: str, wire: Any, logs: pytest.LogCaptureFixture
) -> None:
    """D36: the conversation goes on with it as text, or ends and says what was returned."""

    def agent(input: Messages, form: str, **rest: Any) -> Any:
        return ODD[form]() if form in ODD else ANSWER

    cases = [{"goal": "g", "context": {"form": form}} for form in (*ODD, "text")]
    simulator = simulator_class(cases, 2, wire.uri)
    *_, others = simulator.simulate(agent)
    assert len(others) == 2
    for form, session in zip(ODD, simulator.sessions, strict=False):
        if session.turns < 2 and session.stop_reason != "agent_ended":
            assert session.stop_reason == "agent_failed", form
            assert "the agent returned" in session.detail, form
    assert "has no attribute" not in logs.text
