"""What an agent may reply with, read into its text and its tool calls. Knows no vendor.

    str, None                              None is a blank reply: the agent ended the conversation
    {"role", "content"}                    content is text, None, or a list of parts
    Chat Completions                       the message of the first choice
    Responses API                          the messages and tool calls in `output`
    {"messages": […]}, or a list           what the agent said after the last user message
    AgentReply                             as it is

Each may be a dict or an object with attributes of the same names. The text parts of one message are
one text; several messages are set apart by a blank line. A refusal is text. What tools returned,
system messages and reasoning are not the agent's words and are left out. A `trace_id` beside the
reply names the trace that the agent has made of the call.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from inspect import isasyncgen, iscoroutine, isgenerator
from types import MappingProxyType
from typing import Literal, TypeAlias, cast

from attrs import evolve

from convsim_fp.core import Json, NotJson, ToolCall, freeze
from convsim_fp.errors import AgentError
from convsim_fp.interpreters import AgentReply

__all__ = ["read_reply"]

Source: TypeAlias = Literal["agent", "user", "other"]

SOURCE_OF_ROLE: Mapping[str, Source] = MappingProxyType(
    {
        "assistant": "agent",
        "agent": "agent",
        "ai": "agent",
        "AIMessageChunk": "agent",
        "model": "agent",
        "user": "user",
        "human": "user",
        "HumanMessageChunk": "user",
        "tool": "other",
        "function": "other",
        "system": "other",
        "developer": "other",
    }
)
TOOL_CALL_ITEMS = ("function_call", "custom_tool_call", "mcp_call")
TEXT_PARTS = (None, "text", "output_text")
EXPECTED = (
    'text, a message {"role": "assistant", "content": …}, a Chat Completions or Responses API '
    'reply, {"messages": […]} or a list of messages'
)
MAX_SHOWN = 200


def read_reply(answer: object) -> AgentReply:
    """Read the text and the tool calls of a reply, in any of the forms above.

    Raises `AgentError`, and nothing else, for what is none of them.

    >>> read_reply({"role": "assistant", "content": "It is on its way."}).text
    'It is on its way.'
    """
    try:
        return _with_trace(answer, _read(answer))
    except AgentError:
        raise
    except Exception as error:
        what = f"{_article(type(answer).__name__)} that cannot be read: {type(error).__name__}"
        raise AgentError(f"the agent returned {what}") from error


def _with_trace(answer: object, reply: AgentReply) -> AgentReply:
    """The reply, with the trace that the agent says it has made of it."""
    trace_id = None if isinstance(answer, str | list | tuple) else _get(answer, "trace_id")
    if not isinstance(trace_id, str) or not trace_id:
        return reply
    return evolve(reply, facts=evolve(reply.facts, trace_id=_plain(trace_id)))


def _read(answer: object) -> AgentReply:
    match answer:
        case None:
            return AgentReply("")
        case str():
            return AgentReply(_plain(answer))
        case AgentReply():
            return answer
        case list() | tuple():
            return _last_said(cast("Sequence[object]", answer), "list")
        case _:
            return _read_object(answer)


def _read_object(answer: object) -> AgentReply:
    envelopes = [(name, _get(answer, name)) for name in ("choices", "output", "messages")]
    for name, value in envelopes:
        if isinstance(value, list | tuple):
            return _enveloped(answer, name, cast("Sequence[object]", value))
    if _has(answer, "content") or _has(answer, "role"):
        return _own_message(answer)
    for name, value in envelopes:
        if value is not None:
            what = f"{name!r} as {_words(value)}, expected a list"
            raise AgentError(f"the agent returned {what}; or return the text itself")
    if error := _get(answer, "error"):
        raise AgentError(f"the agent returned an error: {_error_words(error)}")
    words = _words(answer)
    expected = "" if "; " in words else f", expected {EXPECTED}"
    raise AgentError(f"the agent returned {words}{expected}")


def _enveloped(answer: object, name: str, items: Sequence[object]) -> AgentReply:
    match name:
        case "choices":
            return _first_choice(items)
        case "output":
            return _output(answer, items)
        case _:
            return _last_said(items, "list of messages")


def _own_message(message: object) -> AgentReply:
    if _source(message) != "agent":
        role = _get(message, "role") or _get(message, "type")
        raise AgentError(f"the agent returned a message of the role {role!r:.40}, not its own")
    return _message(message)


def _first_choice(choices: Sequence[object]) -> AgentReply:
    message = _get(choices[0], "message") if choices else None
    if message is None:
        raise AgentError("the agent returned choices without a message in the first")
    return _message(message)


def _output(answer: object, items: Sequence[object]) -> AgentReply:
    """Read a Responses API reply; one that failed says why in `error`."""
    error = _get(answer, "error")
    if error is not None:
        raise AgentError(f"the agent returned a reply that failed: {_error_words(error)}")
    return _joined(_item(item) for item in items if _source(item) == "agent")


def _error_words(error: object) -> str:
    return str(_get(error, "message") or _get(error, "code") or error)[:MAX_SHOWN]


def _last_said(messages: Sequence[object], where: str) -> AgentReply:
    sources = [_source(message) for message in messages]
    after = len(sources) - sources[::-1].index("user") if "user" in sources else 0
    said = [
        _item(m)
        for m, source in zip(messages[after:], sources[after:], strict=True)
        if source == "agent"
    ]
    if not said:
        since = " after the last user message" if after else ""
        raise AgentError(f"the agent returned a {where} without a message of its own{since}")
    return _joined(said)


def _joined(replies: Iterable[AgentReply]) -> AgentReply:
    replies = tuple(replies)
    text = "\n\n".join(reply.text for reply in replies if reply.text)
    return AgentReply(text, tool_calls=tuple(c for reply in replies for c in reply.tool_calls))


def _source(item: object) -> Source:
    """Whose message an item is; the other items of the Responses API are nobody's."""
    if isinstance(item, str):
        return "agent"
    role, item_type = _get(item, "role"), _get(item, "type")
    if isinstance(role, str) and role in SOURCE_OF_ROLE:
        return SOURCE_OF_ROLE[role]
    if role is not None:
        raise AgentError(f"the agent returned a message of the unknown role {role!r:.40}")
    if isinstance(item_type, str) and item_type in SOURCE_OF_ROLE:
        return SOURCE_OF_ROLE[item_type]
    if item_type in TOOL_CALL_ITEMS or _get(item, "content") is not None:
        return "other" if item_type == "reasoning" else "agent"
    if isinstance(item_type, str):
        return "other"
    raise AgentError(f"the agent returned {_words(item)} among its messages, expected a message")


def _item(item: object) -> AgentReply:
    if isinstance(item, str):
        return AgentReply(_plain(item))
    if _get(item, "type") in TOOL_CALL_ITEMS:
        return AgentReply("", tool_calls=(_tool_call(item),))
    return _message(item)


def _message(message: object) -> AgentReply:
    content, refusal = _get(message, "content"), _get(message, "refusal")
    calls = _get(message, "tool_calls") or ()
    old_call = _get(message, "function_call")
    if content is None and not calls and old_call is None and refusal is None:
        if not _has(message, "content"):
            raise AgentError(f"the agent returned {_words(message)}, expected a message's content")
        return AgentReply("")
    parts = _parts(content)
    tool_calls = [_tool_call(call) for call in _listed(calls, "tool_calls")]
    if old_call is not None:
        tool_calls.append(_tool_call(old_call))
    if not tool_calls:  # beside `tool_calls`, the same calls may stand among the parts
        tool_calls = [_tool_call(part) for part in parts if _get(part, "type") == "tool_use"]
    texts = [text for part in parts if (text := _text(part)) is not None]
    if isinstance(refusal, str):
        texts.append(refusal)
    if parts and not texts and not tool_calls:
        kinds = ", ".join(sorted({str(_get(part, "type")) for part in parts}))
        raise AgentError(f"the agent returned parts of the type {kinds[:MAX_SHOWN]}, none of text")
    return AgentReply("".join(texts), tool_calls=tuple(tool_calls))


def _parts(content: object) -> Sequence[object]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (content,)
    if isinstance(content, list | tuple):
        return cast("Sequence[object]", content)
    what = f"a message whose content is {_words(content)}"
    raise AgentError(f"the agent returned {what}, expected text or a list of parts")


def _text(part: object) -> str | None:
    """Read the text of one part; None where it is no text: reasoning, a tool call, an image."""
    if isinstance(part, str):
        return _plain(part)
    part_type = _get(part, "type")
    if part_type not in (*TEXT_PARTS, "refusal"):
        return None
    text = _get(part, part_type if part_type == "refusal" else "text")
    if isinstance(text, str):
        return _plain(text)
    raise AgentError(f"the agent returned a part whose text is {_words(text)}, expected text")


def _tool_call(call: object) -> ToolCall:
    function = _get(call, "function") or _get(call, "custom") or call
    name = _get(function, "name")
    if not isinstance(name, str):
        raise AgentError(f"the agent returned a tool call whose name is {_words(name)}")
    ids = (_get(call, "call_id"), _get(call, "id"))
    call_id = next((_plain(found) for found in ids if isinstance(found, str)), "")
    arguments = _get(function, "arguments")
    if isinstance(arguments, str):
        return ToolCall(_plain(name), _parsed(arguments), call_id)
    given = (arguments, _get(function, "args"), _get(function, "input"))
    return ToolCall(_plain(name), _json(next((g for g in given if g is not None), None)), call_id)


def _parsed(arguments: str) -> Json:
    """Read a model's JSON; what it is not good JSON for stays the text that it wrote."""
    try:
        return freeze(json.loads(arguments, strict=False))
    except (ValueError, RecursionError):
        return _plain(arguments)


def _json(arguments: object) -> Json:
    try:
        return freeze(arguments)
    except NotJson:
        return repr(arguments)


def _get(value: object, name: str) -> object:
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).get(name)
    return getattr(value, name, None)


def _has(value: object, name: str) -> bool:
    return name in value if isinstance(value, Mapping) else hasattr(value, name)


def _listed(value: object, name: str) -> Sequence[object]:
    if isinstance(value, list | tuple):
        return cast("Sequence[object]", value)
    raise AgentError(f"the agent returned {name!r} as {_words(value)}, expected a list")


def _plain(text: str) -> str:
    return str.__str__(text)


def _words(value: object) -> str:
    """Name what was returned, for the one who wrote the agent."""
    name = type(value).__name__
    if value is None or isinstance(value, bytes | bytearray):
        return "nothing" if value is None else name
    if isinstance(value, Mapping):
        keys = ", ".join(str(key) for key in list(cast("Mapping[object, object]", value))[:10])
        return f"{_article(name)} with the keys {keys[:MAX_SHOWN]}" if keys else f"an empty {name}"
    if iscoroutine(value):
        value.close()  # nobody will await it
        return "a coroutine; await it in the agent"
    if isgenerator(value) or isasyncgen(value):
        return f"{_article(name)}; collect it in the agent"
    return f"the class {value.__name__}" if isinstance(value, type) else _article(name)


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
