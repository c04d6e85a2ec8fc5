"""What was said in recorded sessions: in traces, in sessions of MLflow's, in a run of ours.

A trace is a call of the agent. Its inputs may hold all that was said before, or what is new alone;
either way each message is taken once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from attrs import frozen

from convsim_adapters.reply_forms import read_reply
from convsim_adapters.running.run_files import read_run
from convsim_fp.errors import AgentError, InvalidSpec, Problem

__all__ = ["Said", "Talk", "said_in", "talks_of"]

Speaker: TypeAlias = Literal["user", "agent"]

HISTORIES = ("messages", "input")
NOT_SAID = ("mlflow_session_id",)
SPEAKERS: Mapping[object, Speaker] = {
    "user": "user",
    "human": "user",
    "assistant": "agent",
    "ai": "agent",
    "agent": "agent",
}


@frozen
class Said:
    """One message of a conversation that took place."""

    speaker: Speaker
    text: str


@frozen
class Talk:
    """One conversation that took place; `name` says which of the sessions it is."""

    name: str
    messages: tuple[Said, ...]


def talks_of(sessions: str | Path | Iterable[object]) -> tuple[Talk, ...]:
    """The conversations of sessions: lists of traces, `Session` objects, or a run's directory.

    Raises `InvalidSpec` for anything else, with all problems at once.
    """
    if isinstance(sessions, str | Path):
        run = read_run(sessions)
        return tuple(
            Talk(one.id, tuple(Said(said.speaker, said.text) for said in one.transcript))
            for one in run.sessions
        )
    if hasattr(sessions, "traces") or not isinstance(sessions, Iterable):
        what = f"is one {type(sessions).__name__}, expected a list of sessions: write [session]"
        raise InvalidSpec([Problem("sessions", what)])
    listed = [(index, one, _traces(one)) for index, one in enumerate(sessions)]
    expected = "expected a list of traces, a Session, or a run's directory in place of the list"
    problems = [
        Problem(f"sessions[{index}]", f"is {one!r:.80}; {expected}")
        for index, one, traces in listed
        if traces is None
    ]
    if problems:
        raise InvalidSpec(problems)
    return tuple(Talk(_name(index, one), said_in(traces or ())) for index, one, traces in listed)


def said_in(traces: Iterable[Any]) -> tuple[Said, ...]:
    """What was said in the traces of one session, in the order of their time."""
    said: list[Said] = []
    for trace in sorted(traces, key=lambda one: one.info.timestamp_ms):
        root = next((span for span in trace.data.spans if span.parent_id is None), None)
        if root is not None:
            said += _news(root.inputs, len(said))
            said += _answer(root.outputs)
    return tuple(said)


def _traces(one: object) -> Sequence[Any] | None:
    """The traces of a session; None where it is none."""
    found: object = getattr(one, "traces", one)
    if isinstance(found, str | Mapping) or not isinstance(found, Iterable):
        return None
    traces: list[Any] = list(cast("Iterable[object]", found))
    return (
        traces
        if all(hasattr(trace, "info") and hasattr(trace, "data") for trace in traces)
        else None
    )


def _name(index: int, one: object) -> str:
    known: object = getattr(one, "id", None)
    return f"sessions[{index}]" + (f" ({known})" if known else "")


def _news(inputs: object, known: int) -> Iterable[Said]:
    """What an agent was told that is not known yet."""
    history = _history(inputs)
    if history is None:
        text = _only_text(inputs)
        return [Said("user", text)] if text.strip() else []
    if len(history) > known:
        return history[known:]
    # It was shown less than all, as agents are that remember.
    return [said for said in history if said.speaker == "user"][-1:]


def _history(inputs: object) -> list[Said] | None:
    """The messages among an agent's inputs; None where there is no list of them."""
    if not isinstance(inputs, Mapping):
        return None
    named = cast("Mapping[str, object]", inputs)
    for name in HISTORIES:
        listed = named.get(name)
        if isinstance(listed, list) and listed:
            return [*_messages(cast("list[object]", listed))]
    return None


def _messages(listed: Iterable[object]) -> Iterable[Said]:
    for one in listed:
        message = cast("Mapping[str, object]", one if isinstance(one, Mapping) else {})
        speaker = SPEAKERS.get(message.get("role"))
        text = _text(message.get("content"))
        if speaker is not None and text.strip():
            yield Said(speaker, text)


def _text(content: object) -> str:
    """The words of a message, of one in parts those that are text."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    parts = [
        cast("Mapping[str, object]", one)
        for one in cast("list[object]", content)
        if isinstance(one, Mapping)
    ]
    texts = (part.get("text") for part in parts)
    return "\n".join(text for text in texts if isinstance(text, str))


def _only_text(inputs: object) -> str:
    """The one text among an agent's inputs, else all of them as JSON."""
    match inputs:
        case None:
            return ""
        case str():
            return inputs
        case Mapping():
            named = cast("Mapping[str, object]", inputs)
            rest = {name: value for name, value in named.items() if name not in NOT_SAID}
            texts = [value for value in rest.values() if isinstance(value, str)]
            return texts[0] if len(texts) == 1 else _written(rest)
        case _:
            return _written(inputs)


def _answer(outputs: object) -> Iterable[Said]:
    """What an agent answered, in whatever form it did."""
    if outputs is None:
        return []
    try:
        text = read_reply(outputs).text
    except AgentError:
        text = _written(outputs)
    return [Said("agent", text)] if text.strip() else []


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
