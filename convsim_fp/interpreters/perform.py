"""Performing one request: call its port, and turn what comes back into an observation.

Here, and only here, exceptions of the outside world become `Failed` observations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import CO_COROUTINE, isawaitable, iscoroutinefunction
from types import FunctionType, MethodType
from typing import Any, TypeAlias, TypeVar

from attrs import evolve, frozen

from convsim_fp.core.requests import Request
from convsim_fp.errors import InvalidSpec, Problem, TimedOut
from convsim_fp.interpreters.answers import TROUBLE, close, failed, observed, port_for
from convsim_fp.interpreters.daemons import INSIDE, RUN_THREAD, THREAD_PREFIX, in_daemon
from convsim_fp.interpreters.ports import Observed, Ports, PortsOf

__all__ = [
    "APerform",
    "Perform",
    "aperform",
    "aperform_made",
    "bounded",
    "cancels",
    "is_async",
    "perform",
    "thread_name",
]

Perform: TypeAlias = Callable[[Request], Observed]
APerform: TypeAlias = Callable[[Request], Awaitable[Observed]]

A = TypeVar("A")
R = TypeVar("R", bound=Request | None)


def perform(ports: Ports) -> Perform:
    """Make the function that performs a request through plain functions.

    It raises nothing but KeyboardInterrupt.

    >>> from convsim_fp import Rules, TestCase, start, users
    >>> begun = start(Rules(users.scripted(["Hello."]), None), TestCase(goal="greet"))
    >>> perform(Ports(agent=lambda request: "Hi."))(begun.requests[0]).observation.text
    'Hi.'
    """

    def performed(request: Request) -> Observed:
        try:
            answer = port_for(ports, request)(request)
            if not isawaitable(answer):
                return observed(request, answer)
            close(answer)
            raise TypeError("the port is async; drive it with aconverse or converse_all")
        except TROUBLE as error:
            return failed(request, error)

    return performed


def aperform(ports: Ports) -> APerform:
    """Make the coroutine function that performs a request; plain functions get a thread each.

    It raises nothing but KeyboardInterrupt and the CancelledError of its own task.
    """
    agent, seconds = ports.agent, ports.agent_timeout
    called = ports if seconds is None else evolve(ports, agent=bounded(agent, seconds))

    async def performed(request: Request) -> Observed:
        return await _settled(request, lambda: _asked(called, request))

    return performed


def aperform_made(ports_of: PortsOf) -> APerform:
    """`aperform` for one session, whose ports are made at its first request.

    Where that fails, so does the request: it is recorded, and no other session is touched.
    """
    made: list[APerform] = []
    making = asyncio.Lock()  # a conversation that goes on may ask two things at first

    async def performed(request: Request) -> Observed:
        async def asked() -> Observed:
            async with making:
                if not made:
                    made.append(aperform(await _made(ports_of, request)))
            return await made[0](request)

        return await _settled(request, asked, "the ports could not be made: ")

    return performed


def bounded(port: Callable[[R], object], seconds: float) -> Callable[[R], Awaitable[Any]]:
    """A port as a coroutine function, which raises `TimedOut` after so many seconds.

    A plain function gets a thread, which nobody can stop: it is left behind then.

    >>> asyncio.run(bounded(lambda request: "Hi.", seconds=5)(None))
    'Hi.'
    """

    async def asked(request: R) -> Any:
        bound = asyncio.timeout(seconds)
        try:
            async with bound:
                return await _called(port, request, request)
        except TimeoutError as error:
            if not bound.expired():
                raise
            raise TimedOut(f"no answer in {seconds:g} s") from error

    return asked


def is_async(port: object) -> bool:
    """Whether calling it gives something to await, as far as that shows without calling it."""
    if isinstance(port, FunctionType | MethodType):  # nearly all; asking their class takes longer
        return bool(port.__code__.co_flags & CO_COROUTINE) or iscoroutinefunction(port)
    return iscoroutinefunction(port) or iscoroutinefunction(getattr(type(port), "__call__", None))  # noqa: B004


def cancels(task: asyncio.Task[Any] | None) -> int:
    """How often a task was asked to stop."""
    return task.cancelling() if task is not None else 0


def thread_name(request: Request) -> str:
    """Of a thread that is inside somebody's code for a request."""
    return str(_Inside(request))


@frozen
class _Inside:
    """Somebody's code at work for a request, or for the run; as text the name of its thread."""

    request: Request | None

    def __str__(self) -> str:
        if self.request is None:
            return RUN_THREAD
        return f"{THREAD_PREFIX} {self.request.session.id} {self.request.id}"


async def _settled(
    request: Request, answering: Callable[[], Awaitable[Observed]], context: str = ""
) -> Observed:
    """Await an answer; what it raises is a failure, unless it is how it takes being cancelled."""
    task = asyncio.current_task()
    before = cancels(task)
    try:
        return await answering()
    except asyncio.CancelledError as error:
        if cancels(task) > before:
            raise
        return failed(request, error, context)  # the port cancelled something of its own
    except TROUBLE as error:
        if cancels(task) > before:
            raise asyncio.CancelledError from error
        return failed(request, error, context)


async def _asked(ports: Ports, request: Request) -> Observed:
    return observed(request, await _called(port_for(ports, request), request, request))


async def _made(ports_of: PortsOf, request: Request) -> Ports:
    made = await _called(ports_of, request.session, request)
    if isinstance(made, Ports):
        return made
    raise InvalidSpec([Problem("ports", f"is {made!r:.80}, expected Ports")])


async def _called(function: Callable[[A], object], argument: A, request: Request | None) -> object:
    inside = _Inside(request)
    INSIDE.set(inside)
    if is_async(function):
        answer = function(argument)
    else:
        answer = await in_daemon(str(inside), lambda: function(argument))
    return await answer if isawaitable(answer) else answer
