"""Ports that are open as long as a run goes on, and how long a call of the agent may take."""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest

from convsim_fp import goals
from convsim_fp.core import Rules, Say, StopReason, TestCase
from convsim_fp.interpreters import Ports

CASES = [TestCase(goal=f"goal {number}", id=f"c{number}") for number in range(3)]
TALKS = Rules(lambda view: Say(f"Message {view.turn}."), goals.never, max_turns=2)


def test_ports_are_opened_once_in_the_loop_of_the_run_and_closed_at_its_end(run_all) -> None:
    told = []

    @asynccontextmanager
    async def ports():
        told.append(("open", asyncio.get_running_loop()))

        async def agent(request):
            told.append(("call", asyncio.get_running_loop()))
            return "Yes?"

        yield Ports(agent)
        told.append(("close", asyncio.get_running_loop()))

    run_all(CASES, TALKS, ports())
    assert [what for what, _ in told] == ["open", *["call"] * 6, "close"]
    assert len({loop for _, loop in told}) == 1


def test_ports_that_are_opened_may_be_made_per_session(run_all) -> None:
    @asynccontextmanager
    async def ports():
        yield lambda session: Ports(lambda request: f"I serve {session.id}.")

    states = run_all(CASES, TALKS, ports())
    assert [state.transcript[1].text for state in states] == [
        f"I serve c{number}/1." for number in range(3)
    ]


def test_ports_are_closed_when_the_run_breaks(run_all) -> None:
    told = []

    @asynccontextmanager
    async def ports():
        try:
            yield Ports(lambda request: "Yes?")
        finally:
            told.append("closed")

    def sink(entry):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run_all(CASES, TALKS, ports(), sink=sink)
    assert told == ["closed"]


def test_ports_that_cannot_be_opened_stop_the_run_before_the_first_call(run_all) -> None:
    @asynccontextmanager
    async def ports():
        raise ConnectionError("no gateway")
        yield

    with pytest.raises(ConnectionError, match="no gateway"):
        run_all(CASES, TALKS, ports())


@pytest.mark.parametrize("blocking", [False, True])
def test_an_agent_that_takes_too_long_has_failed_and_the_others_have_not(run_all, blocking) -> None:
    free = threading.Event()

    async def slow(request):
        await asyncio.sleep(3600 if request.session.id == "c1/1" else 0)
        return "Yes?"

    def blocks(request):
        if request.session.id == "c1/1":
            free.wait(60)
        return "Yes?"

    try:
        states = run_all(CASES, TALKS, Ports(blocks if blocking else slow, agent_timeout=0.2))
    finally:
        free.set()
    reasons = [state.stop_reason for state in states]
    assert reasons == [StopReason.MAX_TURNS, StopReason.AGENT_FAILED, StopReason.MAX_TURNS]
    assert states[1].why == "timed_out: no answer in 0.2 s"


def test_a_timeout_of_the_agents_own_is_told_as_its_own(run_all) -> None:
    async def times_out(request):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(3600)

    [state] = run_all(CASES[:1], TALKS, Ports(times_out, agent_timeout=3600))
    assert state.why == "agent_error: TimeoutError"
