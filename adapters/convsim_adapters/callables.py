"""Your own agent, as it is, as the agent port of a conversation.

The agent gets the conversation as a list of ``{"role": "user" | "assistant", "content": …}``, in
its parameter `messages` or `input`, else in the only one that it takes by position. The case's
context comes as keyword arguments. A parameter named `session_id` or `turn` gets that, unless the
context has a key of the same name; neither goes through ``**kwargs``. Lists and dicts are fresh for
each call and may be changed. What it may reply is in `reply_forms`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from inspect import isawaitable, iscoroutine
from typing import Any, NoReturn, TypeVar, cast
from weakref import finalize

from attrs import evolve

from convsim_adapters.reply_forms import read_reply
from convsim_adapters.signatures import (
    read_agent_signature,
    reads_session_id,
    returns_awaitable,
)
from convsim_fp.core import CallAgent, Session
from convsim_fp.core.behaviours import failure_of
from convsim_fp.errors import AgentError, PortError
from convsim_fp.interpreters import Agent, AgentReply, Model, Ports, PortsOf, UserPort

__all__ = ["as_agent", "ports_per_session"]

T = TypeVar("T")


def as_agent(target: Callable[..., object]) -> Agent:
    """Make the agent port of a function, a bound method, a callable object or a partial of one.

    Sync and async; a sync one gets a thread for each call in the asyncio interpreter, so that a
    slow one blocks nobody. Raises `InvalidSpec` for a signature that no conversation could call.
    The port raises `AgentError` for what the agent raises, for a context that does not fit its
    parameters, and for a reply in none of the known forms.

    >>> from convsim_fp import Rules, TestCase, converse_all, goals, users
    >>> port = as_agent(lambda messages, order_id: f"{order_id} is on its way.")
    >>> case = TestCase(goal="track it", context={"order_id": "W7"})
    >>> rules = Rules(users.scripted(["Where is it?"]), goals.never)
    >>> converse_all([case], rules, Ports(port))[0].transcript[-1].text
    'W7 is on its way.'
    """
    signature = read_agent_signature(target)

    def called(request: CallAgent) -> AgentReply | Awaitable[AgentReply]:
        with _sorted_errors():
            answer = signature.call(target, request)
        return _tied(_read(answer), answer) if isawaitable(answer) else read_reply(answer)

    async def acalled(request: CallAgent) -> AgentReply:
        with _sorted_errors():
            answer = await cast("Awaitable[object]", signature.call(target, request))
        return read_reply(answer)

    if returns_awaitable(target):
        return acalled
    return called


def ports_per_session(
    factory: Callable[..., object],
    *,
    user_model: Model | None = None,
    goal_model: Model | None = None,
    user: UserPort | None = None,
    agent_timeout: float | None = None,
) -> PortsOf:
    """Give each session an agent of its own, because agents that remember must not be shared.

    `factory` (sync, async, or a class) makes it once, when the session begins, and gets
    `session_id` where it has a parameter so named. The agent goes when its session goes; a session
    that is resumed elsewhere gets a new one. What the factory raises, and what `as_agent` refuses
    of what it made, ends that session alone, as *agent failed*. Raises `InvalidSpec` for a factory
    that needs anything else, and for a port that cannot be called. `agent_timeout` as in `Ports`.

    >>> from convsim_fp import Rules, TestCase, converse_all, goals, users
    >>> rules = Rules(users.scripted(["Who are you?"]), goals.never)
    >>> ports_of = ports_per_session(lambda session_id: lambda messages: f"For {session_id}.")
    >>> ends = converse_all([TestCase(goal="track it", id="parcel")], rules, ports_of, trials=2)
    >>> [end.transcript[-1].text for end in ends]
    ['For parcel/1.', 'For parcel/2.']
    """
    takes_session_id = reads_session_id(factory)
    no_agent = _failing(AgentError("no session has begun"))
    others = Ports(
        no_agent, user_model, goal_model, user, agent_timeout
    )  # checked before the first call

    def ports_of(session: Session) -> Ports | Awaitable[Ports]:
        try:
            made = factory(session_id=session.id) if takes_session_id else factory()
            if isawaitable(made):
                return _tied(late(made), made)
            agent = as_agent(cast("Callable[..., object]", made))
        except Exception as error:  # noqa: BLE001  it is raised again where the agent is called
            agent = _failing(error)
        return evolve(others, agent=agent)

    async def late(making: Awaitable[object]) -> Ports:
        try:
            agent = as_agent(cast("Callable[..., object]", await making))
        except Exception as error:  # noqa: BLE001  as above
            agent = _failing(error)
        return evolve(others, agent=agent)

    return ports_of


def _failing(error: Exception) -> Agent:
    """Put the blame where it belongs: what a session asks first is often its user's model."""

    def called(request: CallAgent) -> NoReturn:
        del request
        with _sorted_errors("the agent could not be made: "):
            raise error

    return called


async def _read(answer: Awaitable[object]) -> AgentReply:
    with _sorted_errors():
        answered = await answer
    return read_reply(answered)


@contextmanager
def _sorted_errors(prefix: str = "") -> Generator[None]:
    """Raise what the user's code raises as the error that a port may raise."""
    try:
        yield
    except PortError:
        raise
    except Exception as error:
        raise AgentError(prefix + failure_of(error).detail) from error


def _tied(outer: Coroutine[Any, Any, T], inner: object) -> Coroutine[Any, Any, T]:
    """Close the inner coroutine with the outer one; the synchronous interpreter awaits neither."""
    if iscoroutine(inner):
        finalize(outer, inner.close)
    return outer
