"""An answer that is none of the known forms is an agent error in words, whatever it is."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.reply_forms import read_reply
from convsim_fp.errors import AgentError
from convsim_fp.interpreters import AgentReply
from convsim_fp.testing.strategies import json_values, texts

USER = {"role": "user", "content": "Where is my order?"}


def said(content: object, **more: object) -> dict[str, object]:
    return {"role": "assistant", "content": content, **more}


def chat(message: object) -> dict[str, object]:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice]}


def responses(*items: object) -> dict[str, object]:
    return {"id": "resp_1", "object": "response", "error": None, "output": list(items)}


@frozen
class Hostile:
    """An object of which reading one attribute fails; the others are a value."""

    error: type[Exception]
    fails_at: str
    value: object

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") or name == self.fails_at:
            raise self.error(name)
        return self.value


class Broken(dict[str, object]):
    """A dict that cannot be read."""

    def get(self, *key: object) -> object:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise OSError


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError


KEYS = st.sampled_from(
    "role content type text refusal choices message output messages tool_calls function name "
    "arguments args input error function_call id".split()
)
WORDS = st.sampled_from(
    "assistant user tool ai message text output_text refusal function_call tool_use".split()
)
ODD: st.SearchStrategy[Any] = st.one_of(
    st.binary(),
    st.builds(object),
    st.sampled_from((int, print, ..., 1j, range(3), float("nan"), float("inf"), Broken(a=1))),
    st.builds(
        Hostile,
        st.sampled_from((ValueError, AttributeError, KeyError, RecursionError, Unprintable)),
        KEYS,
        st.none() | WORDS | st.lists(WORDS, max_size=2),
    ),
)


def forms_gone_wrong() -> st.SearchStrategy[Any]:
    """The words of the known forms in any order, with anything in their places."""

    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        fields = st.dictionaries(KEYS | texts(), inner, max_size=4)
        objects = st.dictionaries(KEYS, inner, max_size=4).map(lambda it: SimpleNamespace(**it))
        return st.lists(inner, max_size=3) | fields | objects | st.sets(WORDS, max_size=2)

    return st.recursive(st.one_of(st.none(), WORDS, texts(), json_values(), ODD), deeper)


@given(forms_gone_wrong())
def test_anything_else_is_an_agent_error_and_nothing_but_that(answer: object) -> None:
    """Whatever an agent returns is a reply or an `AgentError` in words, never another error."""
    with suppress(AgentError):
        reply = read_reply(answer)
        assert type(reply.text) is str
        assert all(type(call.name) is str for call in reply.tool_calls)


def parts_of_a_reply() -> Iterator[str]:
    yield "It is"


async def stream_of_a_reply() -> Any:
    yield "It is"


async def late_reply() -> str:
    return "It is on its way."


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: b"Hello.", "bytes, expected text, a message"),
        (lambda: 7, "an int, expected text"),
        (lambda: True, "a bool"),
        (lambda: {"Hello."}, "a set"),
        (parts_of_a_reply, "a generator; collect it in the agent"),
        (stream_of_a_reply, "an async_generator; collect it in the agent"),
        (late_reply, "a coroutine; await it in the agent"),
        (lambda: AgentReply, "the class AgentReply"),
        (dict, "an empty dict, expected text"),
        (lambda: {"answer": "Hello."}, "a dict with the keys answer, expected text"),
        (lambda: {"output": "Hello."}, "'output' as a str, expected a list; or return the text"),
        (lambda: {"messages": 7}, "'messages' as an int, expected a list"),
        (lambda: {"messages": []}, "a list of messages without a message of its own"),
        (list, "a list without a message of its own"),
        (lambda: {"messages": [said("Hi."), USER]}, "of its own after the last user message"),
        (lambda: [{"role": "tool", "content": "3"}], "without a message of its own"),
        (lambda: [7], "an int among its messages, expected a message"),
        (lambda: USER, "a message of the role 'user', not its own"),
        (lambda: {"type": "human", "content": "Hi."}, "a message of the role 'human'"),
        (lambda: {"role": "bot", "content": "Hi."}, "a message of the unknown role 'bot'"),
        (lambda: {"role": "assistant"}, "the keys role, expected a message's content"),
        (lambda: said(b"Hi."), "a message whose content is bytes, expected text or a list"),
        (lambda: SimpleNamespace(content=b"Hi."), "a message whose content is bytes"),
        (lambda: said([{"type": "text", "text": 7}]), "a part whose text is an int"),
        (lambda: said([{"type": "text"}]), "a part whose text is nothing"),
        (lambda: said([{"type": "image_url"}]), "parts of the type image_url, none of text"),
        (lambda: said("", tool_calls=7), "'tool_calls' as an int, expected a list"),
        (lambda: said("", tool_calls=[{}]), "a tool call whose name is nothing"),
        (lambda: {"choices": []}, "choices without a message in the first"),
        (lambda: {"choices": [{"delta": said("Hi.")}]}, "choices without a message in the first"),
        (lambda: responses() | {"error": {"message": "overloaded"}}, "that failed: overloaded"),
        (lambda: Hostile(ValueError, "content", None), "a Hostile that cannot be read: ValueError"),
        (lambda: Hostile(Unprintable, "output", None), "a Hostile that cannot be read"),
        (lambda: Broken(a=1), "a Broken that cannot be read: KeyError"),
    ],
)
def test_what_cannot_be_read_is_named_in_words(make: Callable[[], object], words: str) -> None:
    with pytest.raises(AgentError) as raised:
        read_reply(make())
    assert str(raised.value).startswith("the agent returned ")
    assert words in str(raised.value)


def test_a_deeply_nested_answer_is_refused_like_any_other() -> None:
    lists: object = "Hello."
    dicts: object = "Hello."
    for _ in range(100_000):
        lists, dicts = [lists], {"content": dicts}
    for answer in (lists, dicts, {"messages": lists}, chat(dicts), responses(dicts)):
        with pytest.raises(AgentError):
            read_reply(answer)


def test_a_list_that_contains_itself_is_refused() -> None:
    answer: list[object] = []
    answer.append(answer)
    with pytest.raises(AgentError, match="a list among its messages"):
        read_reply(answer)
