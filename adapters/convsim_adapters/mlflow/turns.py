"""A turn of a conversation as MLflow sees it: its traces' metadata, its inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from attrs import frozen

from convsim_adapters.mlflow.names import (
    DEFAULT_PERSONA,
    DETAIL,
    GOAL,
    GUIDELINES,
    MAX_METADATA,
    MLFLOW_SESSION,
    MLFLOW_TURN,
    PERSONA,
    RUN,
    SESSION,
    STOP_REASON,
    TURN,
    TURNS,
    session_name,
)
from convsim_adapters.running.results import SessionResult
from convsim_fp.core import AgentReplied, CallAgent, Session, TestCase, ToolCall, Transcript, thaw
from convsim_fp.core.envelope import Facts
from convsim_fp.core.json_values import dumps

__all__ = ["TurnMade", "end_metadata", "messages_of", "storable", "storable_value", "turn_metadata"]

ROLES = {"user": "user", "agent": "assistant"}


@frozen
class TurnMade:
    """One call of the agent: what it was given and gave, as far as that is known, and when."""

    session: Session
    case: TestCase
    turn: int
    inputs: object
    outputs: object
    start: float
    seconds: float
    trace_id: str | None = None

    @classmethod
    def of(
        cls,
        request: CallAgent,
        seen: AgentReplied,
        facts: Facts,
        call: tuple[object, object] | None,
    ) -> TurnMade:
        """From what was recorded of a call; `call` is what went in and out, if it is known."""
        inputs, outputs = (_inputs(request), _outputs(seen)) if call is None else call
        return cls(
            request.session,
            request.case,
            request.id.turn,
            inputs,
            outputs,
            facts.start or 0.0,
            facts.seconds or 0.0,
            facts.trace_id,
        )


def turn_metadata(run: str, session: Session, case: TestCase, turn: int) -> dict[str, str]:
    """What every trace of a turn has; values are at most 250 characters long."""
    found = {
        MLFLOW_SESSION: session_name(run, session.id),
        GOAL: case.goal,
        PERSONA: case.persona or DEFAULT_PERSONA,
        MLFLOW_TURN: str(max(turn - 1, 0)),
        RUN: run,
        SESSION: session.id,
        TURN: str(turn),
    }
    if case.simulation_guidelines:
        found[GUIDELINES] = "\n".join(case.simulation_guidelines)
    return {name: storable(value)[:MAX_METADATA] for name, value in found.items()}


def end_metadata(result: SessionResult) -> dict[str, str]:
    """What the traces of a session that has ended have beside: how it ended, and why."""
    return {
        STOP_REASON: result.stop_reason.value,
        DETAIL: storable(result.detail)[:MAX_METADATA],
        TURNS: str(result.turns),
    }


def messages_of(transcript: Transcript) -> list[dict[str, str]]:
    """The conversation in the form in which agents get it."""
    return [{"role": ROLES[said.speaker], "content": said.text} for said in transcript]


def storable(text: str) -> str:
    r"""Text that every store takes: a lone surrogate, which no encoding has, is written out.

    >>> storable("a\ud800")
    'a\\ud800'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def storable_value(value: object) -> object:
    """Inputs or outputs with texts that can be stored; other objects are MLflow's to write."""
    match value:
        case str():
            return storable(value)
        case dict():
            items = cast("dict[object, object]", value).items()
            return {storable_value(key): storable_value(each) for key, each in items}
        case list() | tuple():
            return [storable_value(each) for each in cast("Iterable[object]", value)]
        case _:
            return value


def _inputs(request: CallAgent) -> dict[str, object]:
    context = cast("dict[str, object]", thaw(request.case.context))
    return {"messages": messages_of(request.transcript), **context}


def _outputs(seen: AgentReplied) -> dict[str, object]:
    """A reply in the form of Chat Completions, which MLflow shows and scores as what was said."""
    said: dict[str, object] = {"role": "assistant", "content": seen.text}
    if seen.tool_calls:
        said["tool_calls"] = [_tool_call(call) for call in seen.tool_calls]
    return {"choices": [{"message": said}]}


def _tool_call(call: ToolCall) -> dict[str, object]:
    given = call.arguments if isinstance(call.arguments, str) else dumps(call.arguments)
    named: dict[str, object] = {"id": call.id} if call.id else {}
    return {**named, "type": "function", "function": {"name": call.name, "arguments": given}}
