"""Agents as their authors wrote them, in every interpreter."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from convsim_adapters import as_agent, ports_per_session
from convsim_fp import goals, users
from convsim_fp.core import (
    Rules,
    SimulatedUser,
    State,
    Stopped,
    StopReason,
    TestCase,
    new_session,
    start,
)
from convsim_fp.interpreters import (
    Agent,
    Ports,
    PortsOf,
    aconverse,
    aconverse_all,
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
def test_an_agent_that_remembers_talks_to_one_conversation_by_hand(interpreter: str) -> None:
    state = INTERPRETERS[interpreter](as_agent(Remembering("one")), CASE)
    assert replies(state)[-1] == f"one: {' '.join(LINES)}"


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

    def make(self, session_id: str) -> Callable[..., str]:
        if session_id == "slow/1" and not self.other_finished.wait(LONG):
            raise TimeoutError("the other session never finished")
        return lambda messages, slow: "It is done."

    async def make_late(self) -> Callable[..., str]:
        return self.reply

    def finished(self, state: State) -> None:
        if not state.case.context["slow"]:
            self.other_finished.set()


@pytest.mark.parametrize(
    "ports_of",
    [
        lambda waiting: Ports(as_agent(waiting.reply)),
        lambda waiting: ports_per_session(lambda: waiting.reply),
        lambda waiting: ports_per_session(waiting.make),
        lambda waiting: ports_per_session(waiting.make_late),
    ],
    ids=["agent", "agent of its own", "factory", "agent of an async factory"],
)
def test_a_slow_sync_agent_does_not_keep_another_session_from_finishing(
    ports_of: Callable[[Waiting], Ports | PortsOf],
) -> None:
    waiting = Waiting()
    cases = [
        TestCase(goal="wait", id="slow", context={"slow": True}),
        TestCase(goal="go on", id="quick", context={"slow": False}),
    ]
    states = converse_all(cases, RULES, ports_of(waiting), finished=waiting.finished)
    assert [replies(state) for state in states] == [["It is done."] * 3] * 2


@pytest.mark.parametrize("factory", [Remembering, LateRemembering, remembering_late])
def test_many_sessions_at_once_each_have_their_own_agent(factory: Callable[..., object]) -> None:
    """The trials of a case too, and a second run meets no agent of the first."""
    made: list[str] = []

    def counted(session_id: str) -> object:
        made.append(session_id)
        return factory(session_id)

    cases = [TestCase(goal="track it", id=f"case-{n}") for n in range(20)]
    ports_of = ports_per_session(counted)
    for run in (converse_all, lambda *given, **how: asyncio.run(aconverse_all(*given, **how))):
        made.clear()
        states = run(cases, RULES, ports_of, trials=2, concurrency=15)
        assert sorted(made) == sorted(state.session.id for state in states)
        for state in states:
            assert replies(state)[-1] == f"{state.session.id}: {' '.join(LINES)}"


def broken_for_one(session_id: str) -> object:
    if session_id == "broken/1":
        raise OSError("no model")
    return 7 if session_id == "unusable/1" else Remembering(session_id)


async def broken_late_for_one(session_id: str) -> object:
    return broken_for_one(session_id)


@pytest.mark.parametrize("factory", [broken_for_one, broken_late_for_one])
@pytest.mark.parametrize("user", [users.scripted(LINES), users.prompted()])
def test_an_agent_that_could_not_be_made_is_agent_failed_in_its_own_session(
    factory: Callable[..., object], user: SimulatedUser
) -> None:
    """Also where the user's model was asked first."""
    cases = [TestCase(goal="track it", id=name) for name in ("sound", "broken", "unusable")]
    ports_of = ports_per_session(factory, user_model=lambda request: "Where is it?")
    sound, *failed = converse_all(cases, Rules(user, goals.never, max_turns=3), ports_of)
    assert stopped(sound).reason is StopReason.MAX_TURNS
    assert [stopped(state).reason for state in failed] == [StopReason.AGENT_FAILED] * 2
    words = "agent_error: the agent could not be made"
    assert stopped(failed[0]).detail == f"{words}: OSError: no model"
    assert stopped(failed[1]).detail.startswith(f"{words}: InvalidSpec: agent is an int")


def test_an_agent_goes_when_its_session_does() -> None:
    at_once, alive = 3, weakref.WeakSet[LateRemembering]()
    most = 0

    async def watched(session_id: str) -> LateRemembering:
        nonlocal most
        made = LateRemembering(session_id)
        alive.add(made)
        gc.collect()
        most = max(most, len(alive))
        return made

    cases = [TestCase(goal="track it", id=f"case-{n}") for n in range(20)]
    converse_all(cases, RULES, ports_per_session(watched), concurrency=at_once)
    assert 0 < most <= at_once
    gc.collect()
    assert len(alive) == 0
