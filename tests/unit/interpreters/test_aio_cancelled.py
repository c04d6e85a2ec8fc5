"""A conversation whose task is cancelled."""

import asyncio
import threading

import pytest

from convsim_fp import goals, users
from convsim_fp.core import (
    Interrupted,
    Lane,
    Rules,
    Say,
    StopReason,
    TestCase,
    new_session,
    start,
)
from convsim_fp.errors import PortError
from convsim_fp.interpreters import (
    ConversationCancelled,
    Facts,
    Ports,
    aconverse,
    aperform,
)

CASE = TestCase(goal="return the red shoes")
PLAIN = Rules(lambda view: Say(f"Message {view.turn}."), goals.never, max_turns=2)
OVERLAP = Rules(users.prompted(), goals.prompted(), max_turns=3, overlap=True)
BOTH = pytest.mark.parametrize("rules", [PLAIN, OVERLAP], ids=["plain", "overlap"])


def model(request):
    return "no" if request.id.lane is Lane.GOAL_CHECK else f"Message {request.id.turn}."


def agent(request):
    return f"Reply {request.id.turn}."


def in_loop(function):
    async def answer(request):
        await asyncio.sleep(0)
        return function(request)

    return answer


AGENT, MODEL = in_loop(agent), in_loop(model)


class Waits(PortError):
    """A port that was cancelled before it had sent anything."""


async def waits(request):
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError as error:
        raise error from Waits(facts=Facts(attempts=0))


@pytest.mark.parametrize("overlap", [False, True])
def test_what_was_never_sent_is_told_as_such_when_its_task_is_cancelled(overlap) -> None:
    entries = []

    async def judge(request):
        return await waits(request) if request.id.lane is Lane.GOAL_CHECK else "Hello."

    async def main():
        rules = Rules(users.prompted(), goals.prompted(), overlap=overlap)
        performed = aperform(Ports(AGENT, judge))
        task = asyncio.create_task(
            aconverse(rules, start(rules, CASE), performed, sink=entries.append)
        )
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)
    forgotten = [entry for entry in entries if entry.wasted]
    assert [entry.request.id.lane for entry in forgotten] == [Lane.GOAL_CHECK]
    assert [entry.observed.facts.attempts for entry in forgotten] == [0]


def begun(rules):
    return start(rules, CASE, new_session("shoes"))


def run(main):
    """Run a test in a loop, which it must leave as empty as it found it."""

    async def whole():
        before = asyncio.current_task().cancelling()
        await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert asyncio.current_task().cancelling() == before

    asyncio.run(whole())


class Hanging:
    """An async port that never answers the requests that it is told to hang on."""

    def __init__(self, function, hangs_on) -> None:
        self.function, self.hangs_on, self.inside = function, hangs_on, asyncio.Event()

    async def __call__(self, request):
        if self.hangs_on(request.id):
            self.inside.set()
            await asyncio.Event().wait()
        return self.function(request)


def driving(rules, ports, **options):
    return asyncio.create_task(aconverse(rules, begun(rules), aperform(ports), **options))


@BOTH
def test_cancelling_its_task_stops_it_with_the_state_behind_the_error(rules) -> None:
    async def main():
        hanging = Hanging(model, lambda id: id.turn == 2)
        slow = Hanging(agent, lambda id: id.turn == 2)
        entries = []
        task = driving(rules, Ports(slow, hanging), sink=entries.append)
        await (slow if rules is PLAIN else hanging).inside.wait()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough") as caught:
            await task
        assert type(caught.value) is asyncio.CancelledError
        state = ConversationCancelled.behind(caught.value).state
        assert (state.phase.reason, state.phase.detail) == (
            StopReason.CANCELLED,
            "the task was cancelled",
        )
        (at,) = [n for n, entry in enumerate(entries) if entry.request is None]
        assert [entry.wasted for entry in entries[at:]] == [False, *[True] * len(entries[at + 1 :])]
        assert entries[-1].wasted
        assert task.cancelled()

    run(main)


@BOTH
@pytest.mark.parametrize("reason", ["deadline", "budget", "cancelled"])
def test_an_interrupted_as_the_message_is_the_reason(rules, reason) -> None:
    why = Interrupted(reason, "in words")

    async def main():
        slow = Hanging(agent, lambda id: id.turn == 1)
        entries = []
        task = driving(rules, Ports(slow, MODEL), sink=entries.append)
        await slow.inside.wait()
        task.cancel(why)
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        state = ConversationCancelled.behind(caught.value).state
        assert (state.phase.reason, state.phase.detail) == (StopReason(reason), "in words")
        assert [e.observed.observation for e in entries if e.request is None] == [why]

    run(main)


def test_the_reason_is_found_behind_what_a_port_makes_of_its_cancellation() -> None:
    async def wrapping(request):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise ConnectionError("aborted") from error

    async def main():
        task = driving(PLAIN, Ports(wrapping))
        await asyncio.sleep(0)
        task.cancel(Interrupted("deadline", "30 s"))
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert ConversationCancelled.behind(caught.value).state.phase.detail == "30 s"

    run(main)


@BOTH
def test_asyncio_timeout_turns_it_into_a_timeout_error(rules) -> None:
    async def main():
        slow = Hanging(agent, lambda id: True)
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.01):
                await aconverse(rules, begun(rules), aperform(Ports(slow, MODEL)))
        found = ConversationCancelled.behind(caught.value)
        assert found.state.phase.reason is StopReason.CANCELLED
        assert "shoes/1" in str(found)

    run(main)


def test_wait_for_does_too() -> None:
    async def main():
        slow = Hanging(agent, lambda id: True)
        with pytest.raises(TimeoutError) as caught:
            await asyncio.wait_for(aconverse(PLAIN, begun(PLAIN), aperform(Ports(slow))), 0.01)
        assert ConversationCancelled.behind(caught.value) is not None

    run(main)


def test_a_task_group_around_it_behaves() -> None:
    async def fails():
        await asyncio.sleep(0)
        raise LookupError("a sibling")

    async def main():
        slow = Ports(Hanging(agent, lambda id: True))
        errors = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                await aconverse(PLAIN, begun(PLAIN), aperform(slow))
        except* LookupError as group:
            errors.extend(group.exceptions)
        assert len(errors) == 1

    run(main)


def test_a_cancelled_child_of_a_task_group_is_no_error() -> None:
    async def main():
        slow = Hanging(agent, lambda id: True)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(aconverse(PLAIN, begun(PLAIN), aperform(Ports(slow))))
            await slow.inside.wait()
            task.cancel()
        assert task.cancelled()

    run(main)


@BOTH
def test_a_port_that_swallows_its_cancellation_does_not_keep_it_going(rules) -> None:
    asked, inside = [], asyncio.Event()

    async def stubborn(request):
        asked.append(str(request.id))
        inside.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "I go on."

    async def main():
        entries = []
        task = driving(rules, Ports(stubborn, MODEL), sink=entries.append)
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        state = ConversationCancelled.behind(caught.value).state
        assert state.phase.reason is StopReason.CANCELLED
        assert asked == ["1/agent/0"]
        told = [e.observed.observation for e in entries if e.request and not e.wasted]
        assert told[-1].text == "I go on."
        assert state.transcript[1].text == "I go on."

    run(main)


def test_a_conversation_that_ends_while_it_is_cancelled_has_ended() -> None:
    once = Rules(lambda view: Say("Hello."), goals.never, max_turns=1)

    async def stubborn(request):
        asyncio.current_task().cancel()
        return "Hi."

    async def main():
        entries = []
        task = driving(once, Ports(stubborn), sink=entries.append)
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        state = ConversationCancelled.behind(caught.value).state
        assert state.phase.reason is StopReason.MAX_TURNS
        assert len(entries) == 1

    run(main)


def test_it_runs_in_a_task_that_was_cancelled_before() -> None:
    async def cleaning_up():
        asyncio.current_task().cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        return await aconverse(PLAIN, begun(PLAIN), aperform(Ports(AGENT)))

    async def main():
        state = await asyncio.create_task(cleaning_up())
        assert state.phase.reason is StopReason.MAX_TURNS

    run(main)


@BOTH
def test_cancelling_twice_leaves_no_task_either(rules) -> None:
    cleaning = asyncio.Event()

    async def tidy(request):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cleaning.set()
            await asyncio.sleep(3600)

    async def main():
        task = driving(rules, Ports(tidy, MODEL))
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        await cleaning.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


def test_what_the_sink_raises_at_a_cancellation_surfaces_too() -> None:
    def full(entry):
        raise OSError(28, "No space left on device")

    async def main():
        slow = Hanging(agent, lambda id: True)
        task = driving(PLAIN, Ports(slow), sink=full)
        await slow.inside.wait()
        task.cancel()
        with pytest.raises(OSError, match="No space"):
            await task

    run(main)


def test_a_blocked_thread_does_not_hold_up_its_cancellation() -> None:
    inside, release = threading.Event(), threading.Event()

    def blocking(request):
        inside.set()
        release.wait()

    async def main():
        task = driving(PLAIN, Ports(blocking))
        await asyncio.to_thread(inside.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()

    run(main)


def test_without_a_conversation_behind_it_an_error_has_none() -> None:
    assert ConversationCancelled.behind(asyncio.CancelledError()) is None
