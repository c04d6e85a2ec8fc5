"""Your own agent as the agent port: copies, errors, async agents."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable
from inspect import isawaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters import as_agent
from convsim_fp.core import CallAgent, Lane, Message, RequestId, Session, TestCase, Transcript, thaw
from convsim_fp.errors import AgentError, TimedOut
from convsim_fp.interpreters import Agent, AgentReply
from convsim_fp.testing import check_agent
from convsim_fp.testing.strategies import cases, json_values, transcripts

CASE = TestCase(goal="track the parcel")
KEYS = st.sampled_from(("order", "place", "session_id", "turn", "goal"))


def call(
    turn: int = 1,
    *,
    session: str = "refund/1",
    case: TestCase = CASE,
    transcript: Transcript | None = None,
) -> CallAgent:
    """The request of a turn; turn 2 comes after one reply."""
    if transcript is None:
        said = (Message("user", "Hello?"), Message("agent", "Hello."))
        transcript = (said * turn)[:-1]
    return CallAgent(RequestId(turn, Lane.AGENT), Session(session), case, transcript)


def text_of(port: Agent, request: CallAgent) -> str:
    (text,) = texts_of(port, [request])
    return text


def texts_of(port: Agent, requests: Iterable[CallAgent]) -> list[str]:
    """The replies to one request after the other."""
    texts: list[str] = []
    with asyncio.Runner() as runner:
        for request in requests:
            answer = port(request)
            if isawaitable(answer):
                answer = runner.run(awaited(answer))
            texts.append(answer.text if isinstance(answer, AgentReply) else answer)
    return texts


async def awaited(answer: Awaitable[Any]) -> Any:
    return await answer


class Vandal:
    """An agent that keeps what it saw, then spoils everything that it was given."""

    def __init__(self) -> None:
        self.saw: list[object] = []

    def __call__(self, messages: Any, **context: Any) -> str:
        self.saw.append(repr((messages, context)))
        for message in messages:
            message["content"] = "spoilt"
            message["more"] = messages
        messages.append({"role": "user", "content": "spoilt"})
        for value in context.values():
            spoil(value)
        context.clear()
        return "It is done."


def spoil(value: object) -> None:
    if isinstance(value, dict):
        for inner in value.values():
            spoil(inner)
        value["spoilt"] = True
    if isinstance(value, list):
        for inner in value:
            spoil(inner)
        value.append("spoilt")


@given(
    transcripts(max_size=3),
    st.dictionaries(KEYS, json_values(), max_size=2),
)
def test_what_an_agent_does_to_what_it_gets_changes_nothing(
    transcript: Transcript, context: dict[str, object]
) -> None:
    """The next call gets the same messages and context as if nobody had touched them."""
    case = TestCase(goal="track the parcel", context=context)
    request = call(case=case, transcript=transcript)
    agent, before = Vandal(), repr(request)
    assert texts_of(as_agent(agent), [request] * 3) == ["It is done."] * 3
    assert len(agent.saw) == 3
    assert len(set(agent.saw)) == 1
    assert repr(request) == before


@given(cases(), transcripts(max_size=3))
def test_an_agent_gets_what_was_said_as_chat_messages(
    case: TestCase, transcript: Transcript
) -> None:
    """A message of the user or the agent is a dict of exactly role and content, in order."""
    kept: list[Any] = []

    def agent(messages: Any, **context: Any) -> None:
        kept.extend((messages, context))

    as_agent(agent)(call(case=case, transcript=transcript))
    roles = {"user": "user", "agent": "assistant"}
    messages = [{"role": roles[m.speaker], "content": m.text} for m in transcript]
    assert kept == [messages, thaw(case.context)]


async def late(messages: Any) -> str:
    await asyncio.sleep(0)
    return "It is on its way."


class Late:
    async def __call__(self, messages: Any) -> str:
        return await late(messages)

    async def reply(self, messages: Any) -> str:
        return await late(messages)

    @staticmethod
    async def of_nobody(messages: Any) -> str:
        return await late(messages)


def plain(messages: Any) -> Awaitable[str]:
    return late(messages)


class Promise:
    """Something to await that is no coroutine."""

    def __await__(self) -> Generator[Any, None, str]:
        return late([]).__await__()


@functools.wraps(late)
def in_a_loop_of_its_own(messages: Any) -> str:
    return asyncio.run(late(messages))


ASYNC: dict[str, Callable[..., object]] = {
    "function": late,
    "method": Late().reply,
    "static method": Late.of_nobody,
    "callable object": Late(),
    "partial": functools.partial(late),
    "partial of a method": functools.partial(Late().reply),
    "partial of an object": functools.partial(Late()),
    "partial of a partial": functools.partial(functools.partial(Late())),
}


@pytest.mark.parametrize("kind", ASYNC)
def test_the_port_of_an_async_agent_is_a_coroutine_function(kind: str) -> None:
    port = as_agent(ASYNC[kind])
    assert inspect.iscoroutinefunction(port)
    assert text_of(port, call()) == "It is on its way."


@pytest.mark.parametrize(
    "agent",
    [
        plain,
        in_a_loop_of_its_own,
        lambda messages: Promise(),
        lambda messages: "It is on its way.",
    ],
)
def test_the_port_of_a_sync_agent_is_a_plain_function(agent: Callable[..., object]) -> None:
    """A plain one may still return something to await."""
    port = as_agent(agent)
    assert not inspect.iscoroutinefunction(port)
    assert text_of(port, call()) == "It is on its way."


def test_what_a_plain_agent_returns_to_await_is_closed_with_the_reply() -> None:
    """The synchronous interpreter drops it, and nothing is reported as never awaited."""
    waiting: Any = as_agent(plain)(call())
    waiting.close()


async def late_coroutine(messages: Any) -> Any:
    return late(messages)


def test_a_coroutine_in_a_coroutine_is_no_reply() -> None:
    with pytest.raises(AgentError, match="a coroutine; await it in the agent"):
        text_of(as_agent(late_coroutine), call())


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError


def raising(error: BaseException) -> list[Callable[..., object]]:
    """Agents of each kind that raise it."""

    def agent(messages: Any) -> str:
        raise error

    async def late_agent(messages: Any) -> str:
        raise error

    def plain_agent(messages: Any) -> Awaitable[str]:
        return late_agent(messages)

    return [agent, late_agent, plain_agent]


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no such order"), "ValueError: no such order"),
        (KeyError(), "KeyError"),
        (Unprintable(), "Unprintable: (cannot be printed)"),
    ],
)
def test_what_an_agent_raises_is_an_agent_error(kind: int, error: Exception, words: str) -> None:
    with pytest.raises(AgentError) as raised:
        text_of(as_agent(raising(error)[kind]), call())
    assert str(raised.value) == words
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("error", [TimedOut("30 s"), AgentError("no"), SystemExit(3)])
def test_port_errors_and_what_is_no_error_pass(kind: int, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        text_of(as_agent(raising(error)[kind]), call())
    assert raised.value is error


def test_an_agent_that_runs_out_of_an_iterator_fails_like_any_other() -> None:
    with pytest.raises(AgentError, match="StopIteration"):
        text_of(as_agent(lambda messages: next(iter(()))), call())


@pytest.mark.parametrize("kind", ASYNC)
def test_agents_pass_the_conformance_check(kind: str) -> None:
    check_agent(as_agent(ASYNC[kind]))
    check_agent(as_agent(lambda messages: messages[-1]))
