"""Your own agent, as it is, as the agent port of a conversation.

The agent gets the conversation as a list of ``{"role": "user" | "assistant", "content": …}``, in
its parameter `messages` or `input`, else in the only one that it takes by position. The case's
context comes as keyword arguments. A parameter named `session_id` or `turn` gets that, unless the
context has a key of the same name; neither goes through ``**kwargs``. Lists and dicts are fresh for
each call and may be changed. What it may reply is in `reply_forms`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from threading import Lock
from typing import Any, TypeAlias, TypeVar, cast
from weakref import finalize

from convsim_adapters.reply_forms import read_reply
from convsim_adapters.signatures import (
    read_agent_signature,
    read_factory_signature,
    returns_awaitable,
)
from convsim_fp.core import CallAgent, Session, TestCase
from convsim_fp.core.behaviours import failure_of
from convsim_fp.errors import AgentError, InvalidSpec, PortError, Problem
from convsim_fp.interpreters import Agent, AgentReply
from convsim_fp.interpreters.daemons import in_daemon
from convsim_fp.interpreters.perform import thread_name

__all__ = ["agent_per_session", "as_agent"]

T = TypeVar("T")
Conversation: TypeAlias = tuple[Session, TestCase]

KEEP = 1000


def as_agent(target: Callable[..., object]) -> Agent:
    """Make the agent port of a function, a bound method, a callable object or a partial of one.

    Sync and async; a sync one gets a thread for each call in the asyncio interpreter, so that a
    slow one blocks nobody. Raises `InvalidSpec` for a signature that no conversation could call.
    The port raises `AgentError` for what the agent raises, for a context that does not fit its
    parameters, and for a reply in none of the known forms.

    >>> from convsim_fp import Ports, Rules, converse_all, goals, users
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


def agent_per_session(factory: Callable[..., object], *, keep: int = KEEP) -> Agent:
    """Make an agent port with an agent of its own for each session, for agents that remember.

    `factory` (sync, async, or a class) makes it at the session's first request and gets
    `session_id` and `case`, where it has parameters so named. The first request of a conversation
    always makes a new agent, so that a second run never meets those of the first.

    The port cannot see a session end, so it drops the agent that was not used for longest when
    there are more than `keep`; a session that goes on after that fails with `AgentError`. For
    agents that go when their session goes, make the ports per session instead:
    ``lambda session: Ports(as_agent(make()))``. Sessions are told apart by name and case. Raises
    `InvalidSpec` for a factory that needs anything else.

    >>> class Counting:
    ...     def __init__(self):
    ...         self.calls = 0
    ...     def __call__(self, messages):
    ...         self.calls += 1
    ...         return f"That was call {self.calls}."
    >>> port = agent_per_session(Counting)
    """
    signature = read_factory_signature(factory)
    if isinstance(keep, bool) or not isinstance(keep, int) or keep < 1:
        raise InvalidSpec([Problem("keep", f"is {keep!r:.40}, expected at least 1")])
    agents = _Agents(keep)

    def called(request: CallAgent) -> AgentReply | str | Awaitable[AgentReply | str]:
        port = agents.find(request)
        if port is not None:
            return port(request)
        with _sorted_errors("the factory raised "):
            made = signature.call(factory, request)
        if isawaitable(made):
            return _tied(_made(agents, made, request), made)
        return agents.add(request, made)(request)

    return called


class _Agents:
    """The agents of the sessions under way; the one not used for longest goes first."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._kept: OrderedDict[Conversation, Agent] = OrderedDict()
        self._dropped: set[Conversation] = set()
        self._lock = Lock()

    def find(self, request: CallAgent) -> Agent | None:
        """The agent of a conversation under way; None where one is to be made."""
        if len(request.transcript) <= len(request.case.history) + 1:
            return None  # this conversation's first request
        conversation = (request.session, request.case)
        with self._lock:
            if conversation in self._dropped:
                what = f"more than keep={self._keep} sessions were under way"
                raise AgentError(f"the agent of this session was dropped: {what}; raise keep")
            if conversation in self._kept:
                self._kept.move_to_end(conversation)
            return self._kept.get(conversation)

    def add(self, request: CallAgent, made: object) -> Agent:
        try:
            port = as_agent(cast("Callable[..., object]", made))
        except InvalidSpec as error:
            raise AgentError(f"what the factory made cannot be used: {error}") from None
        conversation = (request.session, request.case)
        with self._lock:
            self._dropped.discard(conversation)
            self._kept[conversation] = port
            self._kept.move_to_end(conversation)
            if len(self._kept) > self._keep:
                self._dropped.add(self._kept.popitem(last=False)[0])
        return port


async def _read(answer: Awaitable[object]) -> AgentReply:
    with _sorted_errors():
        answered = await answer
    return read_reply(answered)


async def _made(agents: _Agents, making: Awaitable[object], request: CallAgent) -> AgentReply | str:
    with _sorted_errors("the factory raised "):
        made = await making
    port = agents.add(request, made)
    answer: AgentReply | str | Awaitable[AgentReply | str]
    if iscoroutinefunction(port):
        answer = port(request)
    else:  # it must not stop the loop that we are in
        answer = await in_daemon(thread_name(request), lambda: port(request))
    return answer if isinstance(answer, AgentReply | str) else await answer


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
