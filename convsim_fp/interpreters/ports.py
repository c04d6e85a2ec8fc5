"""The ports through which a conversation reaches the world; each is a plain function.

    user_model, goal_model   (Generate)  -> Reply | str          raises PortError
    agent                    (CallAgent) -> AgentReply | str     raises AgentError
    user                     (CallUser)  -> UserReply | str      for the behaviour `delegated`
    sink                     (Entry)     -> None                 told before it is acted on
    tracer                   (Request)   -> a context manager around the request, which gives a
                                            function to hand the observation to

In the asyncio interpreter the first three may be coroutine functions as well. A port may raise
anything: it ends its own session as a typed failure. Only KeyboardInterrupt means Ctrl-C wherever
it is raised, and stops the run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TypeAlias

from attrs import field, frozen
from attrs.validators import deep_iterable

from convsim_fp.core.envelope import NO_FACTS, Entry, Facts, Observed
from convsim_fp.core.requests import CallAgent, CallUser, Generate, Request, Session
from convsim_fp.core.transcript import ToolCall
from convsim_fp.core.typed import of_type
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.users.delegated import UserReply

__all__ = [
    "NO_FACTS",
    "Agent",
    "AgentReply",
    "Entry",
    "Facts",
    "Model",
    "Observed",
    "OpenedPorts",
    "Ports",
    "PortsOf",
    "Reply",
    "Sink",
    "Tracer",
    "UserPort",
    "UserReply",
    "no_sink",
]


@frozen
class Reply:
    """A model's reply."""

    text: str = field(validator=of_type(str))
    facts: Facts = field(default=NO_FACTS, validator=of_type(Facts))


@frozen
class AgentReply:
    """The agent's reply; with `ended` the conversation is over for it."""

    text: str = field(validator=of_type(str))
    ended: bool = field(default=False, validator=of_type(bool))
    tool_calls: tuple[ToolCall, ...] = field(
        default=(), converter=tuple[ToolCall, ...], validator=deep_iterable(of_type(ToolCall))
    )
    facts: Facts = field(default=NO_FACTS, validator=of_type(Facts))


Model: TypeAlias = Callable[[Generate], Reply | str | Awaitable[Reply | str]]
Agent: TypeAlias = Callable[[CallAgent], AgentReply | str | Awaitable[AgentReply | str]]
UserPort: TypeAlias = Callable[[CallUser], UserReply | str | Awaitable[UserReply | str]]
Sink: TypeAlias = Callable[[Entry], None]
Tracer: TypeAlias = Callable[[Request], AbstractContextManager[Callable[[Observed], object]]]


def no_sink(entry: Entry) -> None:
    """Keep nothing."""
    del entry


@frozen
class Ports:
    """What one conversation talks to. `goal_model` is the `user_model` unless it is given.

    `agent_timeout` is how many seconds a call of the agent may take in the asyncio interpreter; it
    has failed as timed out then. Raises `InvalidSpec` for what cannot be called.
    """

    agent: Agent
    user_model: Model | None = None
    goal_model: Model | None = None
    user: UserPort | None = None
    agent_timeout: float | None = None

    def __attrs_post_init__(self) -> None:
        optional = (self.user_model, self.goal_model, self.user)
        named = zip(("user_model", "goal_model", "user"), optional, strict=True)
        given = (("agent", self.agent), *((n, port) for n, port in named if port is not None))
        problems = [
            Problem(f"ports: {name}", f"is {port!r:.80}, expected a function")
            for name, port in given
            if not callable(port)
        ]
        if problems:
            raise InvalidSpec(problems)


PortsOf: TypeAlias = Callable[[Session], Ports | Awaitable[Ports]]
OpenedPorts: TypeAlias = AbstractAsyncContextManager[Ports | PortsOf]
