"""How a simulation asks simulated users that are objects, with a state of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import iscoroutine
from typing import cast

from attrs import define, field
from mlflow.tracing import context as tracing

from convsim_adapters.mlflow.names import DEFAULT_PERSONA
from convsim_adapters.mlflow.records import given
from convsim_adapters.mlflow.turns import messages_of
from convsim_adapters.mlflow.user_types import MlflowUserAgent, SimulatorContext
from convsim_fp.core import CallUser
from convsim_fp.core.json_values import kind
from convsim_fp.errors import MalformedReply
from convsim_fp.users import UserReply

__all__ = ["UserAgents", "text_of", "user_port"]


@define(eq=False)
class UserAgents:
    """The user port of a run: an agent for each session, kept until it is told to forget it.

    `make` is called at a session's first question, so what it raises ends that session only. Agents
    are given copies, and none of their spans becomes a trace.
    """

    make: Callable[[], MlflowUserAgent]
    records: Sequence[Mapping[str, object]]
    _agents: dict[str, MlflowUserAgent] = field(factory=dict[str, MlflowUserAgent], repr=False)

    def __call__(self, request: CallUser) -> UserReply:
        """What the session's agent says. Raises `MalformedReply` for what is no text."""
        with tracing(enabled=False):
            agent = self._agents.get(request.session.id)
            if agent is None:
                agent = self._agents[request.session.id] = self.make()
            said = agent.generate_message(self._context(request))
        return UserReply(text_of(said, f"{type(agent).__name__}.generate_message"))

    def forget(self, session_id: str) -> None:
        """Let go of the agent of a session that has ended."""
        self._agents.pop(session_id, None)

    def _context(self, request: CallUser) -> SimulatorContext:
        case = request.case
        record = self.records[int(str(case.id).removeprefix("case-"))]
        return SimulatorContext(
            goal=case.goal,
            persona=case.persona or DEFAULT_PERSONA,
            conversation_history=[*messages_of(request.transcript)],
            turn=request.id.turn - 1,
            simulation_guidelines=_guidelines(given(record, "simulation_guidelines")),
        )


def user_port(
    make: Callable[[], MlflowUserAgent], records: Sequence[Mapping[str, object]]
) -> UserAgents:
    """Make the port for the behaviour `delegated`: each session has one agent, made by `make`.

    Sessions are of the cases of `test_case_of`; `records` are what those were made of.
    """
    return UserAgents(make, records)


def text_of(value: object, where: str) -> str:
    """What an agent gave, if it is text. Raises `MalformedReply` with `where` it came from.

    >>> text_of("Hello.", "generate_message")
    'Hello.'
    """
    if isinstance(value, str):
        return value
    if iscoroutine(value):
        value.close()  # nobody will await it
    raise MalformedReply(f"{where} gave {kind(value)}, expected the text of the user's message")


def _guidelines(value: object) -> str | list[str] | None:
    """As they were given, but as a list, which agents look for, where they were a tuple."""
    if isinstance(value, list | tuple):
        return list(cast("Sequence[str]", value))
    return cast("str | None", value)
