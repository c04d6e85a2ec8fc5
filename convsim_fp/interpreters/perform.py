"""Performing one request: call its port, and turn what comes back into an observation.

Here, and only here, exceptions of the outside world become `Failed` observations.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from typing import Any, TypeAlias, assert_never

from convsim_fp.core.behaviours import failure_of
from convsim_fp.core.observations import AgentReplied, Failed, Failure, Generated
from convsim_fp.core.requests import CallAgent, CallUser, Generate, Lane, Request
from convsim_fp.errors import MalformedReply
from convsim_fp.interpreters.daemons import THREAD_PREFIX, in_daemon
from convsim_fp.interpreters.ports import (
    AgentReply,
    Observed,
    Ports,
    Reply,
    Tracer,
    UserReply,
)

__all__ = ["APerform", "Perform", "aperform", "atraced", "perform", "traced"]

Perform: TypeAlias = Callable[[Request], Observed]
APerform: TypeAlias = Callable[[Request], Awaitable[Observed]]

log = logging.getLogger("convsim_fp")


def perform(ports: Ports) -> Perform:
    """Make the function that performs a request through plain functions; it never raises."""

    def performed(request: Request) -> Observed:
        answer = _call(ports, request)
        if isinstance(answer, Observed):
            return answer
        if iscoroutine(answer):
            answer.close()
        what = "the port is async; drive it with aconverse or converse_all"
        return _failed(request, TypeError(what))

    return performed


def aperform(ports: Ports) -> APerform:
    """Make the coroutine function that performs a request; plain functions get a thread each."""

    async def performed(request: Request) -> Observed:
        if is_async(_port(ports, request)):
            answer = _call(ports, request)
        else:
            answer = await in_daemon(_thread_name(request), lambda: _call(ports, request))
        if isinstance(answer, Observed):
            return answer
        try:
            return _observed(request, await answer)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return _failed(request, error)  # the port cancelled something of its own
        except (Exception, SystemExit) as error:  # noqa: BLE001  the border to the user's code
            return _failed(request, error)

    return performed


def is_async(port: object) -> bool:
    """Whether calling it gives something to await, as far as that shows without calling it."""
    return iscoroutinefunction(port) or iscoroutinefunction(getattr(port, "__call__", None))  # noqa: B004


def traced(perform: Perform, tracer: Tracer) -> Perform:
    """Open the tracer around each request. Its failures are logged and go no further."""

    def performed(request: Request) -> Observed:
        with _guarded(tracer, request) as tell:
            observed = perform(request)
            tell(observed)
            return observed

    return performed


def atraced(perform: APerform, tracer: Tracer) -> APerform:
    """`traced` for coroutine functions."""

    async def performed(request: Request) -> Observed:
        with _guarded(tracer, request) as tell:
            observed = await perform(request)
            tell(observed)
            return observed

    return performed


@contextmanager
def _guarded(tracer: Tracer, request: Request) -> Generator[Callable[[Observed], object]]:
    try:
        span = tracer(request)
        tell = span.__enter__()
    except Exception:
        log.warning("the tracer failed before %s", request.id, exc_info=True)
        yield lambda observed: observed
        return

    def told(observed: Observed) -> None:
        try:
            tell(observed)
        except Exception:
            log.warning("the tracer failed to take the answer to %s", request.id, exc_info=True)

    try:
        yield told
    finally:
        try:
            span.__exit__(None, None, None)
        except Exception:
            log.warning("the tracer failed after %s", request.id, exc_info=True)


def _port(ports: Ports, request: Request) -> Callable[[Any], object] | None:
    match request:
        case CallAgent():
            return ports.agent
        case CallUser():
            return ports.user
        case Generate() if request.id.lane is Lane.GOAL_CHECK:
            return ports.goal_model or ports.user_model
        case Generate():
            return ports.user_model
        case _:
            assert_never(request)


def _call(ports: Ports, request: Request) -> Observed | Awaitable[object]:
    port = _port(ports, request)
    if port is None:
        wanted = "user" if isinstance(request, CallUser) else "user_model"
        failure = Failure("missing_port", f"nothing answers {request.id}; give Ports({wanted}=…)")
        return Observed(Failed(request.id, failure))
    try:
        answer = port(request)
        return answer if isawaitable(answer) else _observed(request, answer)
    except (Exception, SystemExit) as error:  # noqa: BLE001  the border to the user's code
        return _failed(request, error)


def _observed(request: Request, answer: object) -> Observed:
    match request, answer:
        case CallAgent(), AgentReply():
            seen = AgentReplied(request.id, answer.text, answer.ended, answer.tool_calls)
            return Observed(seen, answer.facts)
        case CallAgent(), str():
            return Observed(AgentReplied(request.id, answer))
        case CallUser(), str():
            return Observed(Generated(request.id, UserReply(answer).as_text()))
        case CallUser(), UserReply():
            return Observed(Generated(request.id, answer.as_text()))
        case Generate(), Reply():
            return Observed(Generated(request.id, answer.text), answer.facts)
        case Generate(), str():
            return Observed(Generated(request.id, answer))
        case _:
            expected = "AgentReply" if isinstance(request, CallAgent) else "Reply"
            raise MalformedReply(f"the port gave {answer!r:.80}, expected text or {expected}")


def _failed(request: Request, error: BaseException) -> Observed:
    kind = "agent_error" if isinstance(request, CallAgent) else "port_error"
    return Observed(Failed(request.id, failure_of(error, kind)))


def _thread_name(request: Request) -> str:
    return f"{THREAD_PREFIX} {request.session.id} {request.id}"
