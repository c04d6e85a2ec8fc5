"""What an agent replies with is read into its text and its tool calls."""

import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.reply_forms import read_reply
from convsim_fp.core import ToolCall
from convsim_fp.errors import AgentError
from convsim_fp.interpreters import AgentReply
from convsim_fp.testing.strategies import json_values, texts

USER = {"role": "user", "content": "Where is my order?"}
CHAT_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "look_up", "arguments": '{"order": "W7"}'},
}
RESPONSES_CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "look_up",
    "arguments": '{"order": "W7"}',
}
LOOK_UP = ToolCall("look_up", {"order": "W7"}, "call_1")


def said(content: object, **more: object) -> dict[str, object]:
    return {"role": "assistant", "content": content, **more}


def chat(message: object) -> dict[str, object]:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice]}


def responses(*items: object) -> dict[str, object]:
    return {"id": "resp_1", "object": "response", "error": None, "output": list(items)}


def output_message(*parts: object) -> dict[str, object]:
    return {"type": "message", "role": "assistant", "status": "completed", "content": list(parts)}


def output_text(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": []}


# Every way to say a text with tool calls beside it or not, as dicts.
FORMS: dict[str, Callable[[str], object]] = {
    "a message": said,
    "a message of parts": lambda text: said([{"type": "text", "text": text}]),
    "a message of plain parts": lambda text: said([text]),
    "a message with its content alone": lambda text: {"content": text},
    "a message and a tool call": lambda text: said(text, tool_calls=[CHAT_CALL]),
    "a message in LangChain's words": lambda text: {"type": "ai", "content": text},
    "an Anthropic message": lambda text: said(
        [
            {"type": "thinking", "thinking": "Which order?"},
            {"type": "text", "text": text},
            {"type": "tool_use", "id": "call_1", "name": "look_up", "input": {"order": "W7"}},
        ],
        type="message",
    ),
    "Chat Completions": lambda text: chat(said(text)),
    "Chat Completions, parts": lambda text: chat(said([{"type": "text", "text": text}])),
    "Chat Completions, a refusal": lambda text: chat(said(None, refusal=text)),
    "Chat Completions, a refusal part": lambda text: chat(
        said([{"type": "refusal", "refusal": text}])
    ),
    "Chat Completions, a tool call": lambda text: chat(said(text, tool_calls=[CHAT_CALL])),
    "Responses": lambda text: responses(output_message(output_text(text))),
    "Responses, a refusal": lambda text: responses(
        output_message({"type": "refusal", "refusal": text})
    ),
    "Responses, reasoning and a tool call": lambda text: responses(
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "?"}]},
        {"type": "web_search_call", "status": "completed"},
        output_message(output_text(text)),
        RESPONSES_CALL,
    ),
    "messages": lambda text: {"messages": [said(text)]},
    "messages with history": lambda text: {
        "messages": [{"role": "system", "content": "Help."}, USER, said("Hi."), USER, said(text)]
    },
    "messages with tools": lambda text: {
        "messages": [
            {"type": "human", "content": "Where is my order?"},
            {"type": "ai", "content": "", "tool_calls": [{"name": "look_up", "args": {}}]},
            {"type": "tool", "content": "on its way", "tool_call_id": "call_1"},
            {"type": "ai", "content": text},
        ]
    },
    "a list": lambda text: [said(text)],
    "a list of text": lambda text: [text],
    "a tuple": lambda text: (said(text),),
}


def as_object(value: object) -> object:
    """The same with attributes in place of keys; the values of arguments stay plain dicts."""
    if isinstance(value, dict):
        plain = ("args", "input")
        fields = {key: it if key in plain else as_object(it) for key, it in value.items()}
        return SimpleNamespace(**fields)
    return [as_object(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("form", FORMS)
@given(text=texts())
def test_every_form_that_carries_a_text_gives_that_text(form: str, text: str) -> None:
    """Dict or object, whatever stands beside the text, it comes out as it went in."""
    answer = FORMS[form](text)
    assert read_reply(answer).text == text
    assert read_reply(as_object(answer)) == read_reply(answer)


@given(texts())
def test_a_text_and_a_reply_of_our_own_stay_what_they_are(text: str) -> None:
    assert read_reply(text) == AgentReply(text)
    own = AgentReply(text, ended=True, tool_calls=[LOOK_UP])
    assert read_reply(own) is own


@given(st.lists(texts(), min_size=1), st.booleans())
def test_the_parts_of_a_message_are_one_text(parts: list[str], plain: bool) -> None:
    chat_parts = parts if plain else [{"type": "text", "text": part} for part in parts]
    assert read_reply(said(chat_parts)).text == "".join(parts)
    assert read_reply(chat(said(chat_parts))).text == "".join(parts)
    assert read_reply(responses(output_message(*map(output_text, parts)))).text == "".join(parts)


@given(st.lists(texts(), min_size=1))
def test_several_messages_are_set_apart_by_a_blank_line(said_at_once: list[str]) -> None:
    """The same in every form that holds several; blank ones leave no gap."""
    expected = "\n\n".join(text for text in said_at_once if text)
    messages = [said(text) for text in said_at_once]
    output = [output_message(output_text(text)) for text in said_at_once]
    for answer in (messages, said_at_once, {"messages": [USER, *messages]}, responses(*output)):
        assert read_reply(answer).text == expected


@given(
    st.recursive(
        texts(),
        lambda inner: st.sampled_from(sorted(FORMS)).flatmap(lambda form: inner.map(FORMS[form])),
    )
)
def test_reading_a_reply_does_not_change_it(answer: object) -> None:
    before = deepcopy(answer)
    with suppress(AgentError):
        read_reply(answer)
    assert answer == before


@given(json_values())
def test_the_arguments_of_a_tool_call_are_read_from_their_json(arguments: object) -> None:
    """As text or as a value, in the words of each vendor, they are the same tool call."""
    written = json.dumps(arguments)
    for call in (
        {"id": "call_1", "function": {"name": "f", "arguments": written}},
        {"id": "call_1", "name": "f", "args": arguments},
    ):
        read = read_reply(said(None, tool_calls=[call])).tool_calls
        assert read == (ToolCall("f", arguments, "call_1"),)


@given(texts())
def test_arguments_that_are_no_json_stay_the_text_that_they_are(text: str) -> None:
    call = {"type": "function_call", "name": "f", "arguments": "{{" + text, "call_id": "call_1"}
    assert read_reply(responses(call)).tool_calls == (ToolCall("f", "{{" + text, "call_1"),)


@pytest.mark.parametrize("text", ["NaN", "[" * 100_000, "9" * 5000, '{"a": -1e999}', ""])
def test_json_that_we_could_not_keep_stays_text(text: str) -> None:
    call = {"function": {"name": "f", "arguments": text}}
    assert read_reply(said(None, tool_calls=[call])).tool_calls == (ToolCall("f", text),)


def test_line_breaks_in_the_strings_of_arguments_are_read() -> None:
    call = {"function": {"name": "f", "arguments": '{"note": "two\nlines"}'}}
    (read,) = read_reply(said(None, tool_calls=[call])).tool_calls
    assert read.arguments == {"note": "two\nlines"}


def test_arguments_that_json_does_not_know_are_kept_in_words() -> None:
    call = {"name": "f", "args": {"sizes": {38}}}
    (read,) = read_reply(said(None, tool_calls=[call])).tool_calls
    assert read.arguments == "{'sizes': {38}}"


@pytest.mark.parametrize(
    "answer",
    [
        said("", tool_calls=[CHAT_CALL]),
        chat(said(None, tool_calls=[CHAT_CALL])),
        chat({"role": "assistant", "tool_calls": [CHAT_CALL]}),
        responses(RESPONSES_CALL),
        [RESPONSES_CALL],
        {"messages": [USER, said(None, tool_calls=[CHAT_CALL]), {"role": "tool", "content": "3"}]},
        said([{"type": "tool_use", "id": "call_1", "name": "look_up", "input": {"order": "W7"}}]),
        {
            "type": "ai",
            "content": [{"type": "tool_use", "id": "call_1", "name": "look_up", "input": {}}],
            "tool_calls": [{"name": "look_up", "args": {"order": "W7"}, "id": "call_1"}],
        },
    ],
)
def test_a_reply_of_tool_calls_alone_has_no_text(answer: object) -> None:
    assert read_reply(answer) == AgentReply("", tool_calls=[LOOK_UP])
    assert read_reply(as_object(answer)) == AgentReply("", tool_calls=[LOOK_UP])


def test_tool_calls_of_other_kinds_are_read_too() -> None:
    custom = {"id": "c", "type": "custom", "custom": {"name": "run", "input": "print(1)"}}
    old = {"name": "look_up", "arguments": "{}"}
    assert read_reply(said(None, tool_calls=[custom], function_call=old)).tool_calls == (
        ToolCall("run", "print(1)", "c"),
        ToolCall("look_up", {}),
    )
    items = (
        {"type": "custom_tool_call", "name": "run", "input": "print(1)", "call_id": "c"},
        {"type": "mcp_call", "id": "m", "name": "look_up", "arguments": "{}"},
    )
    assert read_reply(responses(*items)).tool_calls == (
        ToolCall("run", "print(1)", "c"),
        ToolCall("look_up", {}, "m"),
    )


def test_the_tool_calls_of_all_messages_since_the_users_are_kept_in_order() -> None:
    earlier = said("Hi.", tool_calls=[{"function": {"name": "greet", "arguments": "{}"}}])
    now = [said("Let me see.", tool_calls=[CHAT_CALL]), said("It is on its way.")]
    reply = read_reply({"messages": [USER, earlier, USER, *now]})
    assert reply == AgentReply("Let me see.\n\nIt is on its way.", tool_calls=[LOOK_UP])


@pytest.mark.parametrize(
    "answer", [None, "", said(None), said(""), said([]), chat(said(None)), responses(), [""]]
)
def test_nothing_said_is_a_blank_reply(answer: object) -> None:
    assert read_reply(answer) == AgentReply("")


def test_only_the_first_choice_is_read() -> None:
    assert read_reply({"choices": [{"message": said("a")}, {"message": said("b")}]}).text == "a"


class Letter(str):
    __slots__ = ()


def test_a_kind_of_text_becomes_plain_text() -> None:
    for answer in (Letter("Hello."), said(Letter("Hello.")), [Letter("Hello.")]):
        assert type(read_reply(answer).text) is str
