"""How an agent is called shows in its signature; what cannot be called is refused in words."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters import as_agent, ports_per_session
from convsim_fp.core import CallAgent, Lane, Message, RequestId, Session, TestCase, thaw
from convsim_fp.errors import AgentError, InvalidSpec
from convsim_fp.interpreters import AgentReply

SAID = [{"role": "user", "content": "Where is my order?"}]
PARCEL = {"order": "W7"}


def a_request(
    context: dict[str, object] | None = None, *, session: str = "refund/1", turn: int = 1
) -> CallAgent:
    case = TestCase(goal="track the parcel", context=context)
    transcript = (Message("user", "Where is my order?"),)
    return CallAgent(RequestId(turn, Lane.AGENT), Session(session), case, transcript)


def passed(agent: Callable[..., object], request: CallAgent) -> object:
    """What the agent saw, which the agents in here reply with as a tool call's arguments."""
    reply = as_agent(agent)(request)
    assert isinstance(reply, AgentReply)
    return thaw(reply.tool_calls[0].arguments)


def seen(**what: object) -> dict[str, object]:
    call = {"name": "seen", "args": what}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


class Shop:
    def reply(self, messages: Any, **context: Any) -> object:
        return seen(messages=messages, **context)

    @classmethod
    def of_the_class(cls, messages: Any, **context: Any) -> object:
        return seen(messages=messages, **context)

    @staticmethod
    def of_nobody(messages: Any, **context: Any) -> object:
        return seen(messages=messages, **context)

    def __call__(self, input: Any, *, order: Any = None) -> object:
        return seen(messages=input, order=order)


def with_a_shop(shop: str, messages: Any, order: Any) -> object:
    return seen(messages=messages, order=order)


def undecorated(function: Callable[..., object]) -> Callable[..., object]:
    def inner(*args: Any, **named: Any) -> object:
        return function(*args, **named)

    return inner


def decorated(function: Callable[..., object]) -> Callable[..., object]:
    return functools.wraps(function)(undecorated(function))


TAKES_MESSAGES_AND_ORDER: dict[str, Callable[..., object]] = {
    "messages": lambda messages, order: seen(messages=messages, order=order),
    "messages by keyword": lambda *, messages, order: seen(messages=messages, order=order),
    "messages behind another": lambda order, messages: seen(messages=messages, order=order),
    "messages and all": lambda messages, **context: seen(messages=messages, **context),
    "messages by position": lambda messages, /, order: seen(messages=messages, order=order),
    "input": lambda input, order: seen(messages=input, order=order),
    "input by position": lambda input, /, *, order: seen(messages=input, order=order),
    "one list": lambda history, **context: seen(messages=history, **context),
    "one list by position": lambda history, /, **context: seen(messages=history, **context),
    "one list without a default": lambda history, order=None: seen(messages=history, order=order),
    "one list, and keywords": lambda history, *, order: seen(messages=history, order=order),
    "a default for the list": lambda history=(), *, order: seen(messages=history, order=order),
    "an unnamed list": lambda *given, **context: seen(messages=given[0], **context),
    "a bound method": Shop().reply,
    "a class method": Shop.of_the_class,
    "a static method": Shop.of_nobody,
    "a callable object": Shop(),
    "a partial by position": functools.partial(with_a_shop, "shoes"),
    "a partial by keyword": functools.partial(with_a_shop, shop="shoes"),
    "a partial of a partial": functools.partial(functools.partial(with_a_shop, "x"), order="W8"),
    "a partial of a method": functools.partial(Shop().reply, order="W8"),
    "a decorated function": decorated(functools.partial(with_a_shop, "shoes")),
    "a function in an unnamed one": undecorated(functools.partial(with_a_shop, "shoes")),
}


@pytest.mark.parametrize("shape", TAKES_MESSAGES_AND_ORDER)
def test_a_callable_of_any_shape_gets_the_messages_and_the_context(shape: str) -> None:
    agent = TAKES_MESSAGES_AND_ORDER[shape]
    assert passed(agent, a_request(PARCEL)) == {"messages": SAID, "order": "W7"}


def test_session_and_turn_go_to_parameters_of_that_name() -> None:
    def agent(messages: Any, session_id: str, *, turn: int) -> object:
        return seen(session_id=session_id, turn=turn)

    request = a_request(session="refund/2", turn=3)
    assert passed(agent, request) == {"session_id": "refund/2", "turn": 3}


def test_session_and_turn_stand_beside_a_list_by_position() -> None:
    def agent(turn: int, history: Any, session_id: str = "none") -> object:
        return seen(messages=history, session_id=session_id, turn=turn)

    assert passed(agent, a_request(session="refund/2", turn=3)) == {
        "messages": SAID,
        "session_id": "refund/2",
        "turn": 3,
    }


def test_session_and_turn_never_go_through_keywords_for_all() -> None:
    assert passed(lambda messages, **context: seen(**context), a_request(PARCEL)) == PARCEL


def test_a_context_key_of_the_name_session_or_turn_wins() -> None:
    def named(messages: Any, session_id: str, turn: int) -> object:
        return seen(session_id=session_id, turn=turn)

    own = {"session_id": "mine", "turn": "the first"}
    assert passed(named, a_request(own)) == own
    assert passed(lambda messages, **context: seen(**context), a_request(own)) == own


@given(
    st.dictionaries(st.text(), st.integers()).filter(
        lambda context: not {"messages", "input", "mlflow_session_id"} & set(context)
    )
)
def test_every_context_key_reaches_an_agent_that_takes_all(context: dict[str, object]) -> None:
    """Any text is a key."""

    def agent(messages: Any, /, **named: Any) -> object:
        return seen(**named)

    assert passed(agent, a_request(context)) == context


@pytest.mark.parametrize("key", ["request", "target", "self", "goal", "persona", "case", "name"])
def test_the_names_of_our_own_parameters_are_free_for_the_context(key: str) -> None:
    assert passed(lambda messages, **named: seen(**named), a_request({key: 1})) == {key: 1}


def generator(messages: Any) -> Iterator[str]:
    yield "It is"


async def async_generator(messages: Any) -> AsyncIterator[str]:
    yield "It is"


async def coroutine(messages: Any) -> str:
    return "It is on its way."


class Streaming:
    def __call__(self, messages: Any) -> Iterator[str]:
        yield "It is"

    def stream(self, messages: Any) -> Iterator[str]:
        yield "It is"


class Unsigned:
    __signature__ = "none"

    def __call__(self, messages: Any) -> str:
        return ""


REFUSED: list[tuple[Any, str]] = [
    (lambda: "", "<lambda>() has no parameter for the list of messages"),
    (lambda **context: "", "<lambda>(**context) has no parameter for the list"),
    (lambda *, history: "", "<lambda>(history) has no parameter for the list"),
    (lambda session_id, turn: "", "has no parameter for the list of messages"),
    (lambda session_id, *rest: "", "(session_id, *rest) has no parameter for the list"),
    (lambda **messages: "", "<lambda>(**messages) has no parameter for the list"),
    (lambda a, b: "", "'a', 'b', each of which could be the list of messages"),
    (lambda a=1, b=2: "", "'a', 'b', each of which could be the list of messages"),
    (lambda messages, input: "", "has both messages and input; keep the one"),
    (lambda order, messages, /: "", "takes order by position only; take away the slash"),
    (lambda turn, history, /: "", "takes turn by position only"),
    (lambda messages, order, /: "", "takes order by position only"),
    (lambda order=1, messages=None, /: "", "takes order by position only"),
    (functools.partial(Shop), "is the class Shop; give an instance of it, or ports_per"),
    (Shop, "is the class Shop; give an instance of it, or ports_per_session(Shop)"),
    (generator, "generator is a generator function, whose parts nobody collects"),
    (async_generator, "async_generator is a generator function"),
    (functools.partial(generator), "generator is a generator function"),
    (Streaming(), "Streaming is a generator function"),
    (Streaming().stream, "Streaming.stream is a generator function"),
    (Unsigned(), "Unsigned has no signature that can be read; wrap it in a function"),
    ("agent", "is a str, which cannot be called"),
    (None, "is nothing, which cannot be called"),
]


@pytest.mark.parametrize(("agent", "words"), REFUSED)
def test_what_no_conversation_could_call_is_refused_at_once(agent: Any, words: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        as_agent(agent)
    assert str(raised.value).startswith("agent ")
    assert words in str(raised.value)


def test_the_call_of_an_async_agent_is_no_agent() -> None:
    """It is closed, so nothing is reported as never awaited."""
    with pytest.raises(InvalidSpec, match=r"is a coroutine, .* give the function itself"):
        as_agent(coroutine([]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("agent", "context", "words"),
    [
        (
            lambda messages: "",
            PARCEL,
            "context has 'order', which <lambda>(messages) does not take",
        ),
        (
            lambda messages, order: "",
            {"a": 1, "session_id": "x"},
            "context has 'a', 'session_id', ",
        ),
        (lambda messages, order, **all: "", {"a": 1}, "context lacks 'order', which <lambda>(mess"),
        (lambda order, **all: "", PARCEL, "the context key 'order' is the name of the parameter"),
        (lambda messages, order=1, /: "", PARCEL, "context has 'order', which"),
        (lambda order, /: "", PARCEL, "context has 'order', which"),
    ],
)
def test_a_context_that_does_not_fit_is_a_wrong_call(
    agent: Callable[..., object], context: dict[str, object], words: str
) -> None:
    with pytest.raises(AgentError) as raised:
        as_agent(agent)(a_request(context))
    assert words in str(raised.value)


def test_a_name_that_only_goes_by_position_is_free_for_the_context() -> None:
    def agent(order: Any, /, **context: Any) -> object:
        return seen(messages=order, **context)

    assert passed(agent, a_request(PARCEL)) == {"messages": SAID, "order": "W7"}


class NeedsAKey:
    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, messages: Any) -> str:
        return self.key


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (lambda messages: "", "<lambda>(messages) needs 'messages', but is given only session_id"),
        (NeedsAKey, "NeedsAKey(key) needs 'key', but is given only session_id, where"),
        (lambda session_id, /: "", "needs 'session_id'"),
        (lambda case: "", "needs 'case'"),
        (generator, "generator is a generator function"),
        (Shop(), "needs 'input'"),
        (7, "is an int, which cannot be called"),
    ],
)
def test_a_factory_that_needs_more_than_a_session_is_refused_at_once(
    factory: Any, words: str
) -> None:
    with pytest.raises(InvalidSpec) as raised:
        ports_per_session(factory)
    assert str(raised.value).startswith("factory ")
    assert words in str(raised.value)
