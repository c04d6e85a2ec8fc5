"""The conversation that a task of tau2-bench starts from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias, cast

from convsim_fp.core import Message, NotJson, ToolCall, Transcript
from convsim_fp.core.extras import Reading
from convsim_fp.core.json_values import kind
from convsim_fp.errors import Problem

__all__ = ["Object", "object_of", "read_history"]

Object: TypeAlias = "Mapping[str, object]"

FIELD = "initial_state.message_history"
ROLES = ("user", "assistant", "tool", "system")
A_MESSAGE = "an object with a role (user, assistant, tool, system) and a content (text)"
A_CALL = "an object with a name (text) and arguments"
NOTHING: Object = MappingProxyType({})


def object_of(value: object) -> Object:
    """Take an object for one; what is none has nothing in it."""
    return cast("Object", value) if isinstance(value, Mapping) else NOTHING


def read_history(value: object) -> Reading[Transcript]:
    """What user and agent said; what tools returned and systems said is no message.

    Tools that the agent called without a word go with what it says next.
    """
    if value is not None and not isinstance(value, list):
        yield Problem(FIELD, f"is {kind(value)}, expected a list of messages")
        return ()
    said: Transcript = ()
    called: tuple[ToolCall, ...] = ()
    for at, item in enumerate(cast("list[object]", value or [])):
        message = yield from _message(f"{FIELD}[{at}]", item)
        if message is None:
            continue
        if message.speaker == "agent":
            called = (*called, *message.tool_calls)
            if message.text.strip():
                said, called = (*said, Message("agent", message.text, called)), ()
        elif message.text.strip():
            said, called = (*said, *_silent(called), message), ()
    return (*said, *_silent(called))


def _silent(called: tuple[ToolCall, ...]) -> Transcript:
    """Tool calls that no word of the agent followed."""
    return (Message("agent", "", called),) if called else ()


def _message(field: str, value: object) -> Reading[Message | None]:
    item = object_of(value)
    role, text = item.get("role"), item.get("content")
    if role not in ROLES:
        found = f"has the role {role!r:.40}" if isinstance(role, str) else f"is {kind(value)}"
        yield Problem(field, f"{found}, expected {A_MESSAGE}")
        return None
    if role in ("tool", "system"):
        return None
    if not isinstance(text, str | None):
        yield Problem(f"{field}.content", f"is {kind(text)}, expected text")
        return None
    if role == "user":
        return Message("user", text or "")
    calls = yield from _calls(f"{field}.tool_calls", item.get("tool_calls"))
    return Message("agent", text or "", calls)


def _calls(field: str, value: object) -> Reading[tuple[ToolCall, ...]]:
    if value is not None and not isinstance(value, list):
        yield Problem(field, f"is {kind(value)}, expected a list of tool calls")
        return ()
    calls: list[ToolCall] = []
    for at, item in enumerate(cast("list[object]", value or [])):
        call = _call(f"{field}[{at}]", item)
        if isinstance(call, Problem):
            yield call
        else:
            calls.append(call)
    return tuple(calls)


def _call(field: str, value: object) -> ToolCall | Problem:
    item = object_of(value)
    name, key = item.get("name"), item.get("id")
    if not isinstance(name, str):
        return Problem(field, f"is {kind(value)}, expected {A_CALL}")
    try:
        return ToolCall(name, item.get("arguments"), key if isinstance(key, str) else "")
    except NotJson as error:
        return Problem(f"{field}.arguments.{error.path}".rstrip("."), error.what)
