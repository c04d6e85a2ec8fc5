"""What `converse_all` and `converse` do when they are interrupted."""

import asyncio
import contextlib
import os
import signal
import threading

import pytest

from convsim_fp import goals
from convsim_fp.core import Rules, Say, TestCase, start
from convsim_fp.interpreters import (
    Ports,
    RunCancelled,
    RunInterrupted,
    converse,
    converse_all,
    perform,
)

RULES = Rules(lambda view: Say("Hello."), goals.never, max_turns=1)
QUICK = TestCase(goal="quick", id="quick")
SLOW = TestCase(goal="slow", id="slow")
LATER = TestCase(goal="later", id="later")
CASES = [QUICK, SLOW, LATER]


def reasons(states):
    return [str(state.phase.reason) for state in states]


@pytest.mark.parametrize("made_async", [False, True])
def test_keyboard_interrupt_in_a_port_interrupts_a_batch(made_async) -> None:
    def pressed(request):
        if request.case is SLOW:
            raise KeyboardInterrupt
        return "Hi."

    async def apressed(request):
        return pressed(request)

    agent = apressed if made_async else pressed
    with pytest.raises(RunInterrupted) as caught:
        converse_all(CASES, RULES, Ports(agent), concurrency=1)
    assert reasons(caught.value.states) == ["max_turns", "cancelled", "cancelled"]
    assert caught.value.threads == ()


def test_an_agent_that_cancels_every_task_of_the_loop_cancels_the_run() -> None:
    async def rogue(request):
        if request.case is SLOW:
            for task in asyncio.all_tasks():
                task.cancel()
            await asyncio.sleep(0)
        return "Hi."

    with pytest.raises(asyncio.CancelledError) as caught:
        converse_all(CASES, RULES, Ports(rogue), concurrency=1)
    states = RunCancelled.behind(caught.value).states
    assert reasons(states) == ["max_turns", "cancelled", "cancelled"]


def test_a_run_leaves_no_thread_of_its_own() -> None:
    before = set(threading.enumerate())
    converse_all(CASES, RULES, Ports(lambda request: "Hi."))
    left = [t.name for t in set(threading.enumerate()) - before if t.name == "convsim run"]
    assert left == []


def test_a_run_in_another_thread_leaves_signals_alone() -> None:
    seen, states = [], []

    def looking(request):
        seen.append((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))
        return "Hi."

    thread = threading.Thread(
        target=lambda: states.extend(converse_all(CASES, RULES, Ports(looking)))
    )
    thread.start()
    thread.join()
    assert reasons(states) == ["max_turns"] * 3
    assert set(seen) == {(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))}


@pytest.mark.usefixtures("_ctrl_c_raises")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_a_batch_and_handlers_are_given_back(number) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    async def agent(request):
        if request.case is SLOW:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        return "Hi."

    entries = []
    with pytest.raises(RunInterrupted, match=f"^interrupted by {number.name}$") as caught:
        converse_all(CASES, RULES, Ports(agent), concurrency=1, sink=entries.append)
    assert reasons(caught.value.states) == ["max_turns", "cancelled", "cancelled"]
    assert [state.phase.detail for state in caught.value.states[1:]] == [
        number.name,
        f"it had not begun: {number.name}",
    ]
    assert (caught.value.signal, caught.value.exit_code) == (number.name, 128 + number)
    assert caught.value.__cause__ is None
    assert [e.observed.observation.detail for e in entries if e.request is None] == [number.name]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.usefixtures("_ctrl_c_raises")
def test_an_error_of_the_sink_at_ctrl_c_is_the_cause() -> None:
    async def agent(request):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    def full(entry):
        raise OSError(28, "No space left on device")

    with pytest.raises(RunInterrupted) as caught:
        converse_all([SLOW], RULES, Ports(agent), sink=full)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.usefixtures("_ctrl_c_raises")
def test_a_loop_that_does_not_close_is_named_and_tells_nobody_any_more() -> None:
    release, ended, told = threading.Event(), threading.Event(), []

    async def agent(request):
        if request.case is SLOW:
            os.kill(os.getpid(), signal.SIGINT)
            release.wait()  # in the loop itself
            ended.set()
        return "Hi."

    with pytest.raises(RunInterrupted, match="still inside the agent or a model: convsim run"):
        converse_all(CASES, RULES, Ports(agent), concurrency=1, sink=told.append)
    thread = next(thread for thread in threading.enumerate() if thread.name == "convsim run")
    count = len(told)
    release.set()
    thread.join(30)
    assert ended.is_set()
    assert len(told) == count == 1


def test_the_exit_code_is_what_a_shell_reports() -> None:
    assert RunInterrupted([]).exit_code == 130
    assert RunInterrupted([], "SIGTERM").exit_code == 143


def test_what_an_agent_started_and_never_stops_is_told_and_left(caplog) -> None:
    release, tasks = threading.Event(), []

    async def stubborn():
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    async def agent(request):
        tasks.append(asyncio.create_task(stubborn()))
        await asyncio.sleep(0)
        return "Hi."

    assert reasons(converse_all([QUICK], RULES, Ports(agent))) == ["max_turns"]
    release.set()
    assert "something that an agent started does not stop" in caplog.text


@pytest.mark.usefixtures("_ctrl_c_raises")
def test_an_agent_that_swallows_ctrl_c_is_the_last_that_is_asked() -> None:
    calls, told = [], []

    def agent(request):
        calls.append(str(request.id))
        try:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(30)
        except BaseException:  # noqa: BLE001  as some agents do
            return "Sorry."
        return "Hi."

    rules = Rules(lambda view: Say("Hello."), goals.never, max_turns=3)
    with pytest.raises(RunInterrupted) as caught:
        converse(rules, start(rules, QUICK), perform(Ports(agent)), sink=told.append)
    assert calls == ["1/agent/0"]
    assert reasons(caught.value.states) == ["cancelled"]
    assert told[0].observed.observation.text == "Sorry."
