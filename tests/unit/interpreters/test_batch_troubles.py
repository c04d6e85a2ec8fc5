"""What goes wrong in a batch, and whom it touches."""

import asyncio
import threading
from collections import Counter
from contextlib import contextmanager

import pytest

from convsim_fp import goals
from convsim_fp.core import Failed, Rules, Say, TestCase
from convsim_fp.errors import InvalidSpec, Unauthorized
from convsim_fp.interpreters import (
    Ports,
)

PLAIN = Rules(lambda view: Say(f"Message {view.turn}."), goals.never, max_turns=2)
CASES = [TestCase(goal=f"goal {number}", id=f"c{number}") for number in range(5)]
NAMES = [f"c{number}/1" for number in range(5)]


def agent(request):
    return f"Reply {request.id.turn}."


async def aagent(request):
    await asyncio.sleep(0)
    return agent(request)


def names(states):
    return [state.session.id for state in states]


def reasons(states):
    return [state.phase.reason for state in states]


def test_a_session_that_fails_never_touches_its_neighbours(run_all) -> None:
    def failing(request):
        match request.case.id:
            case "c0":
                raise ValueError("no order")
            case "c1":
                raise SystemExit(2)
            case "c2":
                raise asyncio.CancelledError
            case "c3":
                return 7
        return "Hi."

    async def afailing(request):
        return failing(request)

    for ports in (Ports(failing), Ports(afailing)):
        states = run_all(CASES, PLAIN, ports, concurrency=2)
        assert reasons(states) == ["agent_failed"] * 4 + ["max_turns"]
        assert [state.phase.failure.kind for state in states[:4]] == [
            "agent_error",
            "agent_error",
            "agent_error",
            "malformed_reply",
        ]


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_an_agent_that_cancels_its_own_task_ends_only_its_session(run_all, concurrency) -> None:
    async def rogue(request):
        if request.case.id in ("c0", "c2"):
            asyncio.current_task().cancel()
        await asyncio.sleep(0)
        return "Hi."

    states = run_all(CASES, PLAIN, Ports(rogue), concurrency=concurrency)
    assert names(states) == NAMES
    assert [n for n, state in enumerate(states) if state.phase.reason == "cancelled"] == [0, 2]


def test_ports_that_cannot_be_made_are_a_recorded_failure_of_their_session(run_all) -> None:
    def ports(session):
        match session.id:
            case "c0/1":
                raise Unauthorized("no key")
            case "c1/1":
                raise SystemExit(2)
            case "c2/1":
                return None
            case "c3/1":
                return next(iter(()))
        return Ports(agent)

    entries = []
    states = run_all(CASES, PLAIN, ports, sink=entries.append)
    assert reasons(states) == ["agent_failed"] * 4 + ["max_turns"]
    failures = [state.phase.failure for state in states[:4]]
    assert [failure.kind for failure in failures] == ["unauthorized"] + ["agent_error"] * 3
    assert all(failure.detail.startswith("the ports could not be made: ") for failure in failures)
    assert "expected Ports" in failures[2].detail
    recorded = {e.session.id for e in entries if isinstance(e.observed.observation, Failed)}
    assert recorded == set(NAMES[:4])


def test_a_factory_of_ports_that_blocks_holds_up_nobody_else(run_all) -> None:
    others = threading.Event()
    ended = []

    def ports(session):
        if session.id == "c0/1":
            assert others.wait(30)
        return Ports(agent)

    def told(state):
        ended.append(state.session.id)
        if len(ended) == 4:
            others.set()

    assert names(run_all(CASES, PLAIN, ports, finished=told, concurrency=2)) == NAMES
    assert ended[-1] == "c0/1"


def test_a_slow_sync_agent_holds_up_nobody_else(run_all) -> None:
    others = threading.Event()
    ended = []

    def slow(request):
        if request.case.id == "c0":
            assert others.wait(30)
        return "Hi."

    def told(state):
        ended.append(state.session.id)
        if len(ended) == 4:
            others.set()

    run_all(CASES, PLAIN, Ports(slow), finished=told)
    assert ended[-1] == "c0/1"


@pytest.mark.parametrize("where", ["sink", "finished"])
def test_what_the_sink_or_finished_raises_stops_the_run_and_surfaces(run_all, where) -> None:
    asked, told, ended = [], [], []

    async def counting(request):
        asked.append(request.session.id)
        if request.case.id != "c0":
            await asyncio.sleep(0)
        return "Hi."

    def sink(entry):
        told.append(entry.session.id)
        if where == "sink" and entry.session.id == "c1/1":
            raise OSError(28, "No space left on device")

    def finished(state):
        ended.append(state.session.id)
        if where == "finished":
            raise OSError(28, "No space left on device")

    cases = [TestCase(goal="x", id=f"c{number}") for number in range(100)]
    with pytest.raises(OSError, match="No space") as caught:
        run_all(cases, PLAIN, Ports(counting), concurrency=3, sink=sink, finished=finished)
    assert type(caught.value) is OSError
    assert ended == ["c0/1"]
    assert set(asked) <= {"c0/1", "c1/1", "c2/1", "c3/1"}
    assert told[-1] == ("c1/1" if where == "sink" else "c0/1")


@pytest.mark.parametrize("error", [StopIteration, asyncio.CancelledError, LookupError])
def test_a_sink_may_raise_anything(run_all, error) -> None:
    def sink(entry):
        raise error

    with pytest.raises((error, RuntimeError)):
        run_all(CASES, PLAIN, Ports(agent), concurrency=2, sink=sink)


def test_a_test_that_fails_inside_an_agent_fails(run_all) -> None:
    def failing(request):
        pytest.fail("the agent was asked for a refund")

    with pytest.raises(pytest.fail.Exception, match="refund"):
        run_all(CASES, PLAIN, Ports(failing), concurrency=2)


def test_a_tracer_is_around_every_request_and_its_failures_reach_nobody(run_all) -> None:
    opened, told = Counter(), Counter()

    @contextmanager
    def tracer(request):
        opened[request.session.id] += 1
        if request.case.id == "c1":
            raise ValueError("no span")
        yield lambda observed: told.update([request.session.id])

    states = run_all(CASES, PLAIN, Ports(aagent), tracer=tracer)
    assert reasons(states) == ["max_turns"] * 5
    assert opened == dict.fromkeys(NAMES, 2)
    assert told == {name: 2 for name in NAMES if name != "c1/1"}


def test_everything_that_is_wrong_is_refused_at_once_before_the_first_call(run_all) -> None:
    async def asink(entry): ...

    class ATold:
        async def __call__(self, state): ...

    with pytest.raises(InvalidSpec) as caught:
        run_all(
            CASES,
            "strict",
            None,
            trials=0,
            concurrency=True,
            sink=asink,
            finished=ATold(),
            tracer="otel",
        )
    words = str(caught.value).splitlines()
    assert words == [
        "trials is 0, expected a whole number of at least 1",
        "concurrency is True, expected a whole number of at least 1",
        "rules is 'strict', expected a function",
        "ports is None, expected a function",
        "sink is async, expected a plain function: it is called, not awaited",
        "tracer is 'otel', expected a function",
        "finished is async, expected a plain function: it is called, not awaited",
    ]


def test_names_that_cases_share_are_refused_before_the_first_call(run_all) -> None:
    asked = []
    with pytest.raises(InvalidSpec, match="is the name of"):
        run_all([CASES[0], CASES[0]], PLAIN, Ports(asked.append))
    assert asked == []
