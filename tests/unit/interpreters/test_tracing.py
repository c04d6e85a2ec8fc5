import asyncio
import logging
from contextlib import contextmanager
from contextvars import ContextVar

import pytest

from convsim_fp.core import CallAgent, Lane, Message, RequestId, Session, TestCase
from convsim_fp.interpreters import Ports, aperform, atraced, perform, traced

CALL = CallAgent(
    RequestId(1, Lane.AGENT), Session("refund/1"), TestCase(goal="x"), (Message("user", "Hello."),)
)
PORTS = Ports(agent=lambda request: "Hi.")
SPAN = ContextVar("SPAN", default="none")


class Book:
    """A tracer that writes down what happens to it, and can be made to fail at each place."""

    def __init__(self, *fails, error=ValueError):
        self.fails, self.error, self.seen = fails, error, []

    def at(self, place, what):
        self.seen.append((place, what))
        if place in self.fails:
            raise self.error(place)

    def __call__(self, request):
        self.at("open", request.id)
        return self

    def __enter__(self):
        self.at("enter", None)
        return lambda observed: self.at("tell", observed.observation.text)

    def __exit__(self, *raised):
        self.at("exit", raised)


async def awaited(performed, request):
    return await performed(request)


def traced_both_ways(make):
    """What a tracer sees in the synchronous and in the asyncio interpreter; must be the same."""
    one, other = make(), make()
    seen = traced(perform(PORTS), one)(CALL)
    assert asyncio.run(awaited(atraced(aperform(PORTS), other), CALL)) == seen
    assert one.seen == other.seen
    assert seen.observation.text == "Hi."
    return one.seen


def test_a_tracer_is_opened_told_and_closed_around_each_request() -> None:
    assert traced_both_ways(Book) == [
        ("open", CALL.id),
        ("enter", None),
        ("tell", "Hi."),
        ("exit", (None, None, None)),
    ]


@pytest.mark.parametrize("error", [ValueError, SystemExit, asyncio.CancelledError, StopIteration])
@pytest.mark.parametrize(
    ("place", "seen"),
    [
        ("open", ["open"]),
        ("enter", ["open", "enter"]),
        ("tell", ["open", "enter", "tell", "exit"]),
        ("exit", ["open", "enter", "tell", "exit"]),
    ],
)
def test_a_tracer_s_failure_is_logged_and_goes_no_further(caplog, place, seen, error) -> None:
    places = traced_both_ways(lambda: Book(place, error=error))
    assert [place for place, _ in places] == seen
    assert {(r.name, r.levelno) for r in caplog.records} == {("convsim_fp", logging.WARNING)}
    assert len(caplog.records) == 2


def test_what_is_no_context_manager_is_a_failure_like_any_other(caplog) -> None:
    assert traced(perform(PORTS), lambda request: None)(CALL).observation.text == "Hi."
    assert "the tracer failed before refund/1, turn 1, agent" in caplog.text


def test_ctrl_c_in_a_tracer_is_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt):
        traced(perform(PORTS), Book("tell", error=KeyboardInterrupt))(CALL)


def test_a_span_that_is_a_context_variable_is_seen_by_the_agent() -> None:
    @contextmanager
    def tracer(request):
        token = SPAN.set(str(request.id))
        yield lambda observed: None
        SPAN.reset(token)

    ports = Ports(agent=lambda request: SPAN.get())

    async def main():
        seen = await atraced(aperform(ports), tracer)(CALL)
        return seen, SPAN.get()

    seen, after = asyncio.run(main())
    assert seen.observation.text == "1/agent/0"
    assert after == "none"


def test_a_cancelled_request_closes_its_span_untold() -> None:
    async def agent(request):
        await asyncio.Event().wait()

    book = Book()

    async def main():
        task = asyncio.create_task(awaited(atraced(aperform(Ports(agent)), book), CALL))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [place for place, _ in book.seen] == ["open", "enter", "exit"]
