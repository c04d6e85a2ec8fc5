"""Agents as their authors wrote them, in every interpreter."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from convsim_adapters import agent_per_session, as_agent
from convsim_fp import goals, users
from convsim_fp.core import Rules, State, Stopped, StopReason, TestCase, new_session, start
from convsim_fp.interpreters import (
    Agent,
    Ports,
    aconverse,
    aperform,
    converse,
    converse_all,
    perform,
)

LINES = ("Where is my order?", "And my money?", "Thanks.")
RULES = Rules(users.scripted(LINES), goals.never, max_turns=3)
CASE = TestCase(goal="track it", id="parcel", context={"order": "W7"})
LONG = 30  # seconds until a test gives up waiting for another session


def by_threads(agent: Agent, case: TestCase) -> State:
    begun = start(RULES, case, new_session("parcel"))
    return converse(RULES, begun, perform(Ports(agent)))


def by_loop(agent: Agent, case: TestCase) -> State:
    begun = start(RULES, case, new_session("parcel"))
    return asyncio.run(aconverse(RULES, begun, aperform(Ports(agent))))


def by_batch(agent: Agent, case: TestCase) -> State:
    (state,) = converse_all([case], RULES, Ports(agent))
    return state


INTERPRETERS: dict[str, Callable[[Agent, TestCase], State]] = {
    "threads": by_threads,
    "loop": by_loop,
    "batch": by_batch,
}


def agent(messages: list[dict[str, str]], order: str, *, session_id: str, turn: int) -> object:
    text = f"{session_id} {turn}: {order} after {len(messages)}"
    messages.clear()
    return {"messages": [{"role": "assistant", "content": text}]}


async def late_agent(
    messages: list[dict[str, str]], order: str, *, session_id: str, turn: int
) -> object:
    await asyncio.sleep(0)
    return agent(messages, order, session_id=session_id, turn=turn)


class Remembering:
    """An agent that needs to be told everything only once."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.heard: list[str] = []

    def __call__(self, messages: list[dict[str, str]], **context: object) -> str:
        self.heard.append(messages[-1]["content"])
        return f"{self.session_id}: {' '.join(self.heard)}"


class LateRemembering(Remembering):
    async def __call__(self, messages: list[dict[str, str]], **context: object) -> str:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().__call__(messages, **context)


async def remembering_late(session_id: str) -> Remembering:
    await asyncio.sleep(0)
    return Remembering(session_id)


def replies(state: State) -> list[str]:
    return [message.text for message in state.transcript if message.speaker == "agent"]


def stopped(state: State) -> Stopped:
    assert isinstance(state.phase, Stopped)
    return state.phase


@pytest.mark.parametrize(
    ("interpreter", "target"),
    [(name, agent) for name in INTERPRETERS] + [(n, late_agent) for n in ("loop", "batch")],
)
def test_an_agent_is_called_the_same_by_every_interpreter(
    interpreter: str, target: Callable[..., object]
) -> None:
    state = INTERPRETERS[interpreter](as_agent(target), CASE)
    assert stopped(state).reason is StopReason.MAX_TURNS
    expected = ["parcel/1 1: W7 after 1", "parcel/1 2: W7 after 3", "parcel/1 3: W7 after 5"]
    assert replies(state) == expected


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("factory", [Remembering, LateRemembering, remembering_late])
def test_an_agent_of_its_own_remembers_its_session(
    interpreter: str, factory: Callable[..., object]
) -> None:
    state = INTERPRETERS[interpreter](agent_per_session(factory), CASE)
    if interpreter == "threads" and factory is not Remembering:
        assert stopped(state).reason is StopReason.AGENT_FAILED
        assert "drive it with aconverse or converse_all" in stopped(state).detail
        return
    first, second, third = LINES
    assert replies(state) == [
        f"parcel/1: {first}",
        f"parcel/1: {first} {second}",
        f"parcel/1: {first} {second} {third}",
    ]


def plain_agent(messages: list[dict[str, str]], order: str) -> Awaitable[object]:
    return late_agent(messages, order, session_id="", turn=1)


@pytest.mark.parametrize("target", [late_agent, plain_agent])
def test_an_async_agent_needs_a_loop(target: Callable[..., object]) -> None:
    """Said in words, and no coroutine is left behind."""
    state = by_threads(as_agent(target), CASE)
    assert stopped(state).reason is StopReason.AGENT_FAILED
    assert "drive it with aconverse or converse_all" in stopped(state).detail


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize(
    ("target", "detail"),
    [
        (lambda messages, order: b"Hello.", "agent_error: the agent returned bytes, expected text"),
        (lambda messages: "Hello.", "agent_error: the case's context has 'order', which"),
        (lambda messages, order: 1 / 0, "agent_error: ZeroDivisionError: division by zero"),
        (lambda messages, order: next(iter(())), "agent_error: StopIteration"),
    ],
)
def test_an_agent_that_cannot_be_used_is_agent_failed(
    interpreter: str, target: Callable[..., object], detail: str
) -> None:
    state = INTERPRETERS[interpreter](as_agent(target), CASE)
    assert stopped(state).reason is StopReason.AGENT_FAILED
    assert stopped(state).detail.startswith(detail)


@pytest.mark.parametrize("nothing", [None, "", " \n", {"role": "assistant", "content": None}])
def test_an_agent_that_says_nothing_has_ended(nothing: object) -> None:
    state = by_batch(as_agent(lambda messages, order: nothing), CASE)
    assert stopped(state).reason is StopReason.AGENT_ENDED


def test_tool_calls_are_kept_apart_from_the_text() -> None:
    call = {"id": "c", "function": {"name": "look_up", "arguments": '{"order": "W7"}'}}
    reply = {"role": "assistant", "content": "It is on its way.", "tool_calls": [call]}
    state = by_batch(as_agent(lambda messages, order: {"choices": [{"message": reply}]}), CASE)
    assert state.transcript[1].text == "It is on its way."
    assert state.transcript[1].tool_calls[0].arguments == {"order": "W7"}


class Waiting:
    """In the slow session, waits until the other one has finished."""

    def __init__(self) -> None:
        self.other_finished = threading.Event()

    def reply(self, messages: Any, *, slow: bool) -> str:
        waited = self.other_finished.wait(LONG) if slow else True
        return "It is done." if waited else "The other session never finished."

    def make(self, case: TestCase) -> Callable[..., str]:
        if case.context["slow"] and not self.other_finished.wait(LONG):
            raise TimeoutError("the other session never finished")
        return lambda messages, slow: "It is done."

    async def make_late(self) -> Callable[..., str]:
        return self.reply

    def finished(self, state: State) -> None:
        if not state.case.context["slow"]:
            self.other_finished.set()


@pytest.mark.parametrize(
    "port_of",
    [
        lambda waiting: as_agent(waiting.reply),
        lambda waiting: agent_per_session(lambda: waiting.reply),
        lambda waiting: agent_per_session(waiting.make),
        lambda waiting: agent_per_session(waiting.make_late),
    ],
    ids=["agent", "agent per session", "factory", "agent of an async factory"],
)
def test_a_slow_sync_agent_does_not_keep_another_session_from_finishing(
    port_of: Callable[[Waiting], Agent],
) -> None:
    waiting = Waiting()
    cases = [
        TestCase(goal="wait", id="slow", context={"slow": True}),
        TestCase(goal="go on", id="quick", context={"slow": False}),
    ]
    states = converse_all(cases, RULES, Ports(port_of(waiting)), finished=waiting.finished)
    assert [replies(state) for state in states] == [["It is done."] * 3] * 2


@pytest.mark.parametrize("factory", [Remembering, LateRemembering, remembering_late])
def test_many_sessions_at_once_each_have_their_own_agent(factory: Callable[..., object]) -> None:
    made: list[str] = []

    def counted(session_id: str) -> object:
        made.append(session_id)
        return factory(session_id)

    cases = [TestCase(goal="track it", id=f"case-{n}") for n in range(20)]
    ports = Ports(agent_per_session(counted))
    for _ in range(2):  # the second run meets no agent of the first
        made.clear()
        states = converse_all(cases, RULES, ports, trials=2, concurrency=15)
        assert sorted(made) == sorted(state.session.id for state in states)
        for state in states:
            assert replies(state)[-1] == f"{state.session.id}: {' '.join(LINES)}"
