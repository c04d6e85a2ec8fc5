"""Which port answers a request, and what its answer is observed as."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import iscoroutine
from typing import Any, assert_never

from attrs import evolve

from convsim_fp.core.behaviours import failure_of
from convsim_fp.core.observations import AgentReplied, Failed, Generated
from convsim_fp.core.requests import CallAgent, CallUser, Generate, Lane, Request
from convsim_fp.errors import MalformedReply, PortError
from convsim_fp.interpreters.ports import (
    NO_FACTS,
    AgentReply,
    Facts,
    Observed,
    Ports,
    Reply,
    UserReply,
)

__all__ = ["TROUBLE", "MissingPort", "close", "failed", "observed", "port_for"]

# What somebody's code may raise without stopping anything but its own session. KeyboardInterrupt
# is Ctrl-C wherever it comes from; it goes through, and so do others of its rank (a test's `fail`).
TROUBLE = (Exception, SystemExit, asyncio.CancelledError)


class MissingPort(PortError):
    """A behaviour asks what no port answers."""


def port_for(ports: Ports, request: Request) -> Callable[[Any], object]:
    """The port that answers a request; raises `MissingPort` where there is none."""
    match request:
        case CallAgent():
            return ports.agent
        case CallUser() if ports.user is not None:
            return ports.user
        case Generate() if request.id.lane is Lane.GOAL_CHECK and ports.goal_model is not None:
            return ports.goal_model
        case Generate() if ports.user_model is not None:
            return ports.user_model
        case Generate() | CallUser():
            name = "user" if isinstance(request, CallUser) else "user_model"
            raise MissingPort(f"no port answers {request.id.words}; give Ports({name}=…)")
        case _:
            assert_never(request)


def observed(request: Request, answer: object) -> Observed:
    """What a port answered, as an observation; raises `MalformedReply` for what is no answer."""
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
            close(answer)
            raise MalformedReply(f"the port gave {answer!r:.80}, expected {_expected(request)}")


def _expected(request: Request) -> str:
    match request:
        case CallAgent():
            return "text or AgentReply"
        case CallUser():
            return "text or UserReply"
        case Generate():
            return "text or Reply"
        case _:
            assert_never(request)


def failed(request: Request, error: BaseException, context: str = "") -> Observed:
    """What somebody's code raised, as an observation; `context` goes before its words."""
    if isinstance(error.__cause__, StopIteration):
        error = error.__cause__  # Python lets none out of a coroutine as it is
    failure = failure_of(error, "agent_error" if isinstance(request, CallAgent) else "port_error")
    known = error.facts if isinstance(error, PortError) else None
    return Observed(
        Failed(request.id, evolve(failure, detail=context + failure.detail)),
        known if isinstance(known, Facts) else NO_FACTS,
    )


def close(answer: object) -> None:
    """A coroutine that nobody will await is closed, or Python complains."""
    if iscoroutine(answer):
        answer.close()
