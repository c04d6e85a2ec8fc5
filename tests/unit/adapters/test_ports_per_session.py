"""An agent of its own for each session: made once, told whose it is, and not kept."""

import asyncio
import functools
import gc
import weakref
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters import ports_per_session
from convsim_fp.core import CallAgent, Lane, Message, RequestId, Session, TestCase
from convsim_fp.errors import AgentError, InvalidSpec, TimedOut
from convsim_fp.interpreters import AgentReply, Ports, PortsOf
from convsim_fp.testing import check_agent

REQUEST = CallAgent(
    RequestId(1, Lane.AGENT),
    Session("refund/1"),
    TestCase(goal="track the parcel"),
    (Message("user", "Hello?"),),
)


def ports_for(ports_of: PortsOf, session: str = "refund/1") -> Ports:
    ports = ports_of(Session(session))
    return asyncio.run(awaited(ports)) if isawaitable(ports) else ports


def text_of(ports: Ports) -> str:
    answer = ports.agent(REQUEST)
    if isawaitable(answer):
        answer = asyncio.run(awaited(answer))
    return answer.text if isinstance(answer, AgentReply) else answer


async def awaited(answer: Awaitable[Any]) -> Any:
    return await answer


class Counting:
    """An agent that remembers how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, messages: Any) -> str:
        self.calls += 1
        return str(self.calls)


class LateCounting(Counting):
    async def __call__(self, messages: Any) -> str:  # type: ignore[override]
        return super().__call__(messages)


async def made_late() -> Counting:
    await asyncio.sleep(0)
    return Counting()


class Maker:
    async def __call__(self) -> LateCounting:
        return LateCounting()


FACTORIES: dict[str, Callable[..., object]] = {
    "a class": Counting,
    "a class of async agents": LateCounting,
    "a function": lambda: Counting(),  # noqa: PLW0108  a function that is no class
    "an async function": made_late,
    "an async object of async agents": Maker(),
    "a function of something to await": lambda: made_late(),  # noqa: PLW0108
    "a partial": functools.partial(made_late),
}


@pytest.mark.parametrize("factory", FACTORIES)
@given(order=st.permutations("aaabbb"))
def test_each_session_has_one_agent_of_its_own(factory: str, order: list[str]) -> None:
    """In whatever order sessions come to call, each agent has heard its own session alone."""
    ports_of = ports_per_session(FACTORIES[factory])
    ports = {session: ports_for(ports_of, session) for session in "ab"}
    heard = [text_of(ports[session]) for session in order]
    assert heard == [str(order[: at + 1].count(session)) for at, session in enumerate(order)]


@pytest.mark.parametrize("factory", FACTORIES)
def test_the_agents_pass_the_conformance_check(factory: str) -> None:
    check_agent(lambda request: text_of(ports_for(ports_per_session(FACTORIES[factory]))))


def test_a_factory_gets_the_session_where_it_names_it() -> None:
    def factory(session_id: str, model: str = "small") -> Callable[..., str]:
        return lambda messages: f"{session_id}, {model}"

    assert text_of(ports_for(ports_per_session(factory))) == "refund/1, small"
    large = functools.partial(factory, model="large")
    assert text_of(ports_for(ports_per_session(large))) == "refund/1, large"


def test_a_factory_gets_nothing_through_keywords_for_all() -> None:
    def factory(**settings: Any) -> Callable[..., str]:
        return lambda messages: str(settings)

    assert text_of(ports_for(ports_per_session(factory))) == "{}"


def test_the_other_ports_are_those_given() -> None:
    def answer(request: object) -> str:
        return ""

    ports = ports_for(ports_per_session(Counting, user_model=answer))
    assert (ports.user_model, ports.goal_model, ports.user) == (answer, None, None)
    ports = ports_for(ports_per_session(made_late, goal_model=answer, user=answer))
    assert (ports.user_model, ports.goal_model, ports.user) == (None, answer, answer)


def test_another_port_that_cannot_be_called_is_refused_at_once() -> None:
    with pytest.raises(InvalidSpec, match=r"ports: user_model is 7, expected a function"):
        ports_per_session(Counting, user_model=7)  # type: ignore[arg-type]


async def broken_factory() -> object:
    raise OSError("no model")


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (lambda: 7, "InvalidSpec: agent is an int, which cannot be called"),
        (lambda: Counting, "InvalidSpec: agent is the class Counting; give an instance"),
        (lambda: lambda a, b: "", "InvalidSpec: agent <lambda>(a, b) has"),
        (functools.partial(asyncio.sleep, 0, result=7), "InvalidSpec: agent is an int"),
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: next(iter(())), "StopIteration"),
        (broken_factory, "OSError: no model"),
    ],
)
def test_a_factory_that_fails_is_an_agent_that_fails(
    factory: Callable[..., object], words: str
) -> None:
    """So the agent is blamed, even where the session asks its user's model first."""
    ports = ports_for(ports_per_session(factory))
    with pytest.raises(AgentError) as raised:
        text_of(ports)
    assert str(raised.value).startswith(f"the agent could not be made: {words}")


def test_a_port_error_of_a_factory_keeps_its_kind() -> None:
    def factory() -> object:
        raise TimedOut("30 s")

    ports = ports_for(ports_per_session(factory))
    with pytest.raises(TimedOut):
        text_of(ports)


@pytest.mark.parametrize("factory", [made_late, lambda: made_late()])  # noqa: PLW0108
def test_an_agent_that_nobody_waits_for_is_closed(factory: Callable[..., object]) -> None:
    """A session cancelled before then drops it, and nothing is reported as never awaited."""
    waiting: Any = ports_per_session(factory)(Session("refund/1"))
    waiting.close()


@pytest.mark.parametrize("factory", FACTORIES)
def test_an_agent_goes_with_the_ports_of_its_session(factory: str) -> None:
    agents: list[weakref.ref[object]] = []

    def noted(made: object) -> object:
        agents.append(weakref.ref(made))
        return made

    async def noted_late(making: Awaitable[object]) -> object:
        return noted(await making)

    def watched() -> object:
        made = FACTORIES[factory]()
        return noted_late(made) if isawaitable(made) else noted(made)

    ports_of = ports_per_session(watched)
    ports = ports_for(ports_of)
    assert text_of(ports) == "1"
    assert agents[0]() is not None
    del ports
    gc.collect()
    assert agents[0]() is None
