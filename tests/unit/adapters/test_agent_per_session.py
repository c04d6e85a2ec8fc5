"""An agent of its own for each session: made once, told apart, and not kept for ever."""

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable, Iterable
from inspect import isawaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters import agent_per_session
from convsim_fp.core import CallAgent, Lane, Message, RequestId, Session, TestCase, Transcript
from convsim_fp.errors import AgentError
from convsim_fp.interpreters import Agent, AgentReply

CASE = TestCase(goal="track the parcel")


def call(
    turn: int = 1,
    *,
    session: str = "refund/1",
    case: TestCase = CASE,
    transcript: Transcript | None = None,
) -> CallAgent:
    """The request of a turn; turn 2 comes after one reply."""
    if transcript is None:
        said = (Message("user", "Hello?"), Message("agent", "Hello."))
        transcript = (said * turn)[:-1]
    return CallAgent(RequestId(turn, Lane.AGENT), Session(session), case, transcript)


def text_of(port: Agent, request: CallAgent) -> str:
    (text,) = texts_of(port, [request])
    return text


def texts_of(port: Agent, requests: Iterable[CallAgent]) -> list[str]:
    """The replies to one request after the other."""
    texts: list[str] = []
    with asyncio.Runner() as runner:
        for request in requests:
            answer = port(request)
            if isawaitable(answer):
                answer = runner.run(awaited(answer))
            texts.append(answer.text if isinstance(answer, AgentReply) else answer)
    return texts


async def awaited(answer: Awaitable[Any]) -> Any:
    return await answer


class Counting:
    """An agent that remembers how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, messages: Any) -> str:
        self.calls += 1
        return str(self.calls)


async def made_late() -> Counting:
    await asyncio.sleep(0)
    return Counting()


class LateCounting(Counting):
    async def __call__(self, messages: Any) -> str:  # type: ignore[override]
        return super().__call__(messages)


async def late_made_late() -> LateCounting:
    return LateCounting()


class Maker:
    async def __call__(self) -> Counting:
        return await made_late()


FACTORIES: dict[str, Callable[..., object]] = {
    "a class": Counting,
    "a class of async agents": LateCounting,
    "a function": lambda: Counting(),  # noqa: PLW0108  a function that is no class
    "an async function": made_late,
    "an async function of async agents": late_made_late,
    "an async object": Maker(),
    "a function of something to await": lambda: made_late(),  # noqa: PLW0108
    "a partial": functools.partial(made_late),
}


@pytest.mark.parametrize("factory", FACTORIES)
@given(order=st.permutations("aaabbb"))
def test_each_session_has_one_agent_of_its_own(factory: str, order: list[str]) -> None:
    """In whatever order sessions come to call, each agent has heard its own session alone."""
    turns = [order[: at + 1].count(session) for at, session in enumerate(order)]
    requests = [call(turn, session=session) for turn, session in zip(turns, order, strict=True)]
    port = agent_per_session(FACTORIES[factory])
    assert texts_of(port, requests) == [str(turn) for turn in turns]


def test_a_factory_is_called_once_for_a_session_and_not_before_its_first_request() -> None:
    made: list[str] = []

    def factory(session_id: str) -> Counting:
        made.append(session_id)
        return Counting()

    port = agent_per_session(factory)
    assert made == []
    for turn in (1, 2, 3):
        for session in ("a", "b"):
            text_of(port, call(turn, session=session))
    assert made == ["a", "b"]


def test_a_factory_gets_the_session_and_the_case_where_it_names_them() -> None:
    def factory(case: TestCase, *, session_id: str, model: str = "small") -> Callable[..., str]:
        return lambda messages: f"{session_id}, {case.goal}, {model}"

    assert text_of(agent_per_session(factory), call()) == "refund/1, track the parcel, small"


def test_a_factory_gets_nothing_through_keywords_for_all() -> None:
    def factory(**settings: Any) -> Callable[..., str]:
        return lambda messages: str(settings)

    assert text_of(agent_per_session(factory), call()) == "{}"


def test_a_conversation_that_starts_again_has_a_new_agent() -> None:
    """So a second run, or conversations without a name one after the other, share nothing."""
    port = agent_per_session(Counting)
    for _ in range(2):
        assert [text_of(port, call(turn, session="")) for turn in (1, 2, 3)] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "case",
    [
        TestCase(goal="x", history=(Message("user", "Hi."), Message("agent", "Hello."))),
        TestCase(goal="x", history=(Message("agent", "Hi."), Message("user", "Hello."))),
        TestCase(goal="x", agent_opens=True),
    ],
)
def test_the_first_request_is_the_first_after_the_history(case: TestCase) -> None:
    port, said = agent_per_session(Counting), (Message("user", "?"), Message("agent", "!"))
    first = case.history
    if not case.agent_opens and case.history[-1].speaker == "agent":
        first = (*first, said[0])
    for _ in range(2):
        assert text_of(port, call(case=case, transcript=first)) == "1"
        second = (*first, said[1], said[0])
        assert text_of(port, call(case=case, transcript=second)) == "2"


def test_conversations_without_a_name_are_told_apart_by_their_case() -> None:
    port, other = agent_per_session(Counting), TestCase(goal="return the red shoes")
    for turn in (1, 2):
        assert text_of(port, call(turn, session="")) == str(turn)
        assert text_of(port, call(turn, session="", case=other)) == str(turn)


def test_a_conversation_that_goes_on_from_elsewhere_gets_an_agent() -> None:
    """A resumed one: its first request here is not its first."""
    port = agent_per_session(Counting)
    assert [text_of(port, call(turn)) for turn in (5, 6)] == ["1", "2"]


def test_a_session_whose_agent_was_dropped_fails_in_words() -> None:
    port = agent_per_session(Counting, keep=2)
    for session in ("a", "b"):
        text_of(port, call(1, session=session))
    assert text_of(port, call(2, session="a")) == "2"
    text_of(port, call(1, session="c"))  # b was not used for longest
    assert text_of(port, call(3, session="a")) == "3"
    assert text_of(port, call(2, session="c")) == "2"
    for _ in range(2):
        with pytest.raises(AgentError, match=r"more than keep=2 sessions .* raise keep"):
            text_of(port, call(2, session="b"))
    assert text_of(port, call(1, session="b")) == "1"
    assert text_of(port, call(2, session="b")) == "2"


def test_only_so_many_agents_are_kept() -> None:
    alive = 0

    class Alive(Counting):
        def __init__(self) -> None:
            super().__init__()
            nonlocal alive
            alive += 1

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    port = agent_per_session(Alive, keep=10)
    for n in range(100):
        text_of(port, call(session=str(n)))
        assert alive <= 11  # the one being made, and those kept


async def broken_factory() -> object:
    raise OSError("no model")


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (lambda: 7, "what the factory made cannot be used: agent is int, which cannot be called"),
        (lambda: Counting, "cannot be used: agent is the class Counting; give an instance"),
        (lambda: lambda a, b: "", "cannot be used: agent <lambda>(a, b) has"),
        (broken_factory, "the factory raised OSError: no model"),
        (lambda: next(iter(())), "the factory raised StopIteration"),
    ],
)
def test_a_factory_that_fails_fails_its_session(factory: Callable[..., object], words: str) -> None:
    with pytest.raises(AgentError) as raised:
        text_of(agent_per_session(factory), call())
    assert words in str(raised.value)


def test_a_factory_is_asked_again_after_it_failed() -> None:
    outcomes = iter((OSError("no model"), Counting()))

    def factory() -> object:
        outcome = next(outcomes)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    port = agent_per_session(factory)
    with pytest.raises(AgentError, match="no model"):
        text_of(port, call())
    assert text_of(port, call()) == "1"


def test_threads_that_come_at_once_get_the_agents_of_their_sessions() -> None:
    port, sessions = agent_per_session(Counting, keep=16), [str(n) for n in range(16)]
    heard: dict[str, list[str]] = {session: [] for session in sessions}
    together = threading.Barrier(len(sessions), timeout=30)

    def talk(session: str) -> None:
        for turn in (1, 2, 3):
            together.wait()
            heard[session].append(text_of(port, call(turn, session=session)))

    threads = [threading.Thread(target=talk, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {session: ["1", "2", "3"] for session in sessions}
