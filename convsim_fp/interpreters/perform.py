"""Performing one request: call its port, and turn what comes back into an observation.

Here, and only here, exceptions of the outside world become `Failed` observations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable, iscoroutinefunction
from types import FunctionType, MethodType
from typing import Any, TypeAlias, TypeVar

from convsim_fp.core.requests import CallAgent, Request
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

    async def performed(request: Request) -> Observed:
        return await _settled(request, lambda: _asked(ports, request))

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
        return iscoroutinefunction(port)
    return iscoroutinefunction(port) or iscoroutinefunction(getattr(type(port), "__call__", None))  # noqa: B004


def cancels() -> int:
    """How often the current task was asked to stop."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def thread_name(request: Request) -> str:
    """Of a thread that is inside somebody's code for a request."""
    return f"{THREAD_PREFIX} {request.session.id} {request.id}"


async def _settled(
    request: Request, answering: Callable[[], Awaitable[Observed]], context: str = ""
) -> Observed:
    """Await an answer; what it raises is a failure, unless it is how it takes being cancelled."""
    before = cancels()
    try:
        return await answering()
    except asyncio.CancelledError as error:
        if cancels() > before:
            raise
        return failed(request, error, context)  # the port cancelled something of its own
    except TROUBLE as error:
        if cancels() > before:
            raise asyncio.CancelledError from error
        return failed(request, error, context)


async def _asked(ports: Ports, request: Request) -> Observed:
    port = port_for(ports, request)
    if ports.agent_timeout is not None and isinstance(request, CallAgent):
        port = bounded(port, ports.agent_timeout)
    return observed(request, await _called(port, request, request))


async def _made(ports_of: PortsOf, request: Request) -> Ports:
    made = await _called(ports_of, request.session, request)
    if isinstance(made, Ports):
        return made
    raise InvalidSpec([Problem("ports", f"is {made!r:.80}, expected Ports")])


async def _called(function: Callable[[A], object], argument: A, request: Request | None) -> object:
    name = RUN_THREAD if request is None else thread_name(request)
    INSIDE.set(name)
    if is_async(function):
        answer = function(argument)
    else:
        answer = await in_daemon(name, lambda: function(argument))
    return await answer if isawaitable(answer) else answer
