"""Runs that end before their time: what is kept, what is left, who is told."""

import asyncio
import threading

import pytest

from convsim_fp import goals
from convsim_fp.core import Interrupted, Rules, Say, TestCase
from convsim_fp.interpreters import (
    Ports,
    RunCancelled,
    aconverse_all,
)
from convsim_fp.interpreters.daemons import in_daemon

RULES = Rules(lambda view: Say("Hello."), goals.never, max_turns=1)
QUICK = TestCase(goal="quick", id="cut-quick")
SLOW = TestCase(goal="slow", id="cut-slow")
LATER = TestCase(goal="later", id="cut-later")
CASES = [QUICK, SLOW, LATER]


def run(main):
    """Run a test in a loop, which it must leave as empty as it found it."""

    async def whole():
        await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert asyncio.current_task().cancelling() == 0

    asyncio.run(whole())


class Hanging:
    """An async agent that answers the quick case and hangs on the slow one."""

    def __init__(self) -> None:
        self.inside = asyncio.Event()

    async def __call__(self, request):
        if request.case is SLOW:
            self.inside.set()
            await asyncio.Event().wait()
        return "Hi."


class Blocking:
    """A sync agent that blocks until it is let go."""

    def __init__(self) -> None:
        self.inside, self.release = threading.Event(), threading.Event()

    def __call__(self, request):
        self.inside.set()
        self.release.wait()


def reasons(states):
    return [str(state.phase.reason) for state in states]


def test_cancelling_a_run_keeps_what_is_finished_and_begins_nothing_more() -> None:
    async def main():
        agent, ended, entries = Hanging(), [], []
        task = asyncio.create_task(
            aconverse_all(
                CASES,
                RULES,
                Ports(agent),
                concurrency=1,
                finished=ended.append,
                sink=entries.append,
            )
        )
        await agent.inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert type(caught.value) is asyncio.CancelledError
        found = RunCancelled.behind(caught.value)
        assert reasons(found.states) == ["max_turns", "cancelled", "cancelled"]
        assert [len(state.transcript) for state in found.states] == [2, 1, 0]
        assert found.states[2].phase.detail == "it had not begun: the task was cancelled"
        assert str(found) == "the run was cancelled"
        assert ended == [found.states[0]]
        told = [(entry.session.id, entry.request is None) for entry in entries]
        assert told == [("cut-quick/1", False), ("cut-slow/1", True), ("cut-slow/1", False)]
        assert task.cancelled()

    run(main)


def test_an_interrupted_as_the_message_is_the_reason_of_all_its_sessions() -> None:
    async def main():
        agent = Hanging()
        task = asyncio.create_task(aconverse_all(CASES, RULES, Ports(agent), concurrency=1))
        await agent.inside.wait()
        task.cancel(Interrupted("budget", "spent 10 USD"))
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        states = RunCancelled.behind(caught.value).states
        assert reasons(states) == ["max_turns", "budget", "budget"]
        assert states[1].phase.detail == "spent 10 USD"

    run(main)


def test_asyncio_timeout_turns_it_into_a_timeout_error_with_the_states_behind_it() -> None:
    async def main():
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.02):
                await aconverse_all(CASES, RULES, Ports(Hanging()))
        assert sorted(reasons(RunCancelled.behind(caught.value).states)) == [
            "cancelled",
            "max_turns",
            "max_turns",
        ]

    run(main)


def test_a_task_group_around_it_behaves() -> None:
    async def fails(agent):
        await agent.inside.wait()
        raise LookupError("a sibling")

    async def main():
        agent, errors = Hanging(), []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails(agent))
                await aconverse_all(CASES, RULES, Ports(agent))
        except* LookupError as caught:
            errors.extend(caught.exceptions)
        assert len(errors) == 1

    run(main)


def test_an_error_of_the_sink_within_a_time_limit_is_no_timeout() -> None:
    def full(entry):
        raise OSError(28, "No space left on device")

    async def main():
        with pytest.raises(OSError, match="No space"):
            async with asyncio.timeout(60):
                await aconverse_all(CASES, RULES, Ports(Hanging()), sink=full)

    run(main)


def test_an_error_of_the_sink_at_a_cancellation_surfaces() -> None:
    def full(entry):
        if entry.request is None:
            raise OSError(28, "No space left on device")

    async def main():
        agent = Hanging()
        task = asyncio.create_task(aconverse_all(CASES, RULES, Ports(agent), sink=full))
        await agent.inside.wait()
        task.cancel()
        with pytest.raises(OSError, match="No space"):
            await task

    run(main)


def test_a_thread_that_is_still_inside_is_named_and_not_waited_for() -> None:
    async def main():
        agent = Blocking()
        held = TestCase(goal="held", id="cut-held")  # its thread outlives the test a little
        task = asyncio.create_task(aconverse_all([held], RULES, Ports(agent)))
        await in_daemon("test", agent.inside.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        found = RunCancelled.behind(caught.value)
        agent.release.set()
        assert found.threads == ("convsim cut-held/1 1/agent/0",)
        assert str(found) == (
            "the run was cancelled; still inside the agent or a model: convsim cut-held/1 1/agent/0"
        )

    run(main)


def test_of_many_threads_the_message_names_some() -> None:
    inside, release = threading.Barrier(9), threading.Event()

    def blocking(request):
        inside.wait()
        release.wait()

    async def main():
        cases = [TestCase(goal="x") for _ in range(8)]
        task = asyncio.create_task(aconverse_all(cases, RULES, Ports(blocking)))
        await in_daemon("test", inside.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        found = RunCancelled.behind(caught.value)
        release.set()
        assert len(found.threads) == 8
        assert str(found).endswith(" and 3 more")

    run(main)


def test_ports_that_are_still_being_made_do_not_hold_up_a_cancellation() -> None:
    inside, release = threading.Event(), threading.Event()

    def ports(session):
        inside.set()
        release.wait()

    async def main():
        made = TestCase(goal="made", id="cut-made")  # its thread outlives the test a little
        task = asyncio.create_task(aconverse_all([made], RULES, ports))
        await in_daemon("test", inside.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        release.set()
        assert RunCancelled.behind(caught.value).threads == ("convsim cut-made/1 1/agent/0",)

    run(main)


def test_ctrl_c_that_is_raised_inside_the_loop_leaves_through_it_once() -> None:
    ended, tidied = [], []

    async def pressed(request):
        if request.case is SLOW:
            raise KeyboardInterrupt
        return "Hi."

    async def tidy():
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            tidied.append("the program's own task")

    async def main():
        task = asyncio.create_task(tidy())
        await aconverse_all(CASES, RULES, Ports(pressed), concurrency=1, finished=ended.append)
        await task

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert reasons(ended) == ["max_turns"]
    assert tidied == ["the program's own task"]
