import asyncio

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
    resume,
    start,
)
from convsim_fp.interpreters import (
    Ports,
    aconverse,
    aperform,
    converse,
    perform,
)
from convsim_fp.interpreters.ports import Observed

CASE = TestCase(goal="return the red shoes")
PLAIN = Rules(lambda view: Say(f"Message {view.turn}."), goals.never, max_turns=2)
OVERLAP = Rules(users.prompted(), goals.prompted(), max_turns=3, overlap=True)
LANES = ("user", "goal_check")
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
@pytest.mark.parametrize(
    "ports",
    [Ports(agent, model), Ports(AGENT, MODEL), Ports(agent, MODEL), Ports(AGENT, model, MODEL)],
    ids=["sync", "async", "mixed", "mixed too"],
)
def test_it_comes_to_the_same_end_as_in_threads(rules, ports) -> None:
    async def main():
        entries = []
        state = await aconverse(rules, begun(rules), aperform(ports), sink=entries.append)
        assert state == converse(rules, begun(rules), perform(Ports(agent, model)))
        assert await aconverse(rules, resume(rules, state), aperform(ports)) == state
        assert not any(entry.wasted for entry in entries)

    run(main)


def test_a_request_that_is_not_needed_any_more_is_cancelled_and_recorded_as_wasted() -> None:
    cancelled = []

    async def slow(request):
        if request.id.lane is Lane.GOAL_CHECK:
            return "yes"
        try:
            await asyncio.sleep(0 if request.id.turn == 1 else 3600)
        except asyncio.CancelledError:
            cancelled.append(str(request.id))
            raise
        return "Hello."

    async def main():
        entries = []
        state = await driving(OVERLAP, Ports(AGENT, slow), sink=entries.append)
        assert state.phase.reason is StopReason.GOAL_ACHIEVED
        assert cancelled == ["2/user/0"]
        assert [entry.wasted for entry in entries] == [False, False, False, True]
        assert entries[-1].observed.observation.failure.kind == "forgotten"

    run(main)


def test_it_does_not_end_before_what_it_cancelled_has_cleaned_up() -> None:
    cleaned = []

    async def slow(request):
        if request.id.lane is Lane.GOAL_CHECK:
            return "yes"
        try:
            await asyncio.sleep(0 if request.id.turn == 1 else 3600)
        finally:
            for _ in range(5 * (request.id.turn - 1)):
                await asyncio.sleep(0)
            cleaned.append(str(request.id))
        return "Hello."

    async def main():
        await aconverse(OVERLAP, begun(OVERLAP), aperform(Ports(AGENT, slow)))
        assert cleaned == ["1/user/0", "2/user/0"]

    run(main)


def test_a_request_that_is_still_out_is_not_asked_again() -> None:
    asked = []

    async def slow(request):
        asked.append(str(request.id))
        for _ in range(0 if request.id.lane is Lane.GOAL_CHECK else 5):
            await asyncio.sleep(0)
        return model(request)

    async def main():
        await driving(OVERLAP, Ports(AGENT, slow))
        assert sorted(asked) == sorted(f"{turn}/{lane}/0" for turn in (1, 2, 3) for lane in LANES)

    run(main)


def test_two_answers_at_once_are_both_recorded() -> None:
    async def at_once(request):
        return "yes" if request.id.lane is Lane.GOAL_CHECK else "Hello."

    async def main():
        entries = []
        state = await driving(OVERLAP, Ports(at_once, at_once), sink=entries.append)
        assert state.phase.reason is StopReason.GOAL_ACHIEVED
        last = [(str(e.request.id), e.wasted, e.observed.observation.text) for e in entries[2:]]
        assert last == [("1/goal_check/0", False, "yes"), ("2/user/0", True, "Hello.")]

    run(main)


@BOTH
def test_what_the_sink_raises_surfaces_and_no_task_is_left(rules) -> None:
    asked, told = [], []

    def full(entry):
        told.append(str(entry.request.id))
        if entry.request.id.lane is Lane.AGENT:
            raise OSError(28, "No space left on device")

    async def counting(request):
        asked.append(str(request.id))
        return agent(request)

    async def main():
        with pytest.raises(OSError, match="No space"):
            await driving(rules, Ports(counting, MODEL), sink=full)
        assert told[-1:] == asked == ["1/agent/0"]

    run(main)


def test_what_the_sink_raises_with_requests_out_surfaces_too() -> None:
    async def main():
        hanging = Hanging(model, lambda id: id.turn == 2)
        told = []

        def full(entry):
            told.append(str(entry.request.id))
            if entry.request.id.lane is Lane.GOAL_CHECK:
                raise OSError(28, "No space left on device")

        with pytest.raises(OSError, match="No space"):
            await driving(OVERLAP, Ports(AGENT, hanging), sink=full)
        assert told[-1] == "1/goal_check/0"

    run(main)


@BOTH
def test_what_a_custom_perform_raises_surfaces_and_no_task_is_left(rules) -> None:
    performed = aperform(Ports(AGENT, MODEL))

    async def broken(request):
        if request.id.turn == 2:
            raise ZeroDivisionError(str(request.id))
        return await performed(request)

    async def main():
        with pytest.raises(ZeroDivisionError, match="2/"):
            await aconverse(rules, begun(rules), broken)

    run(main)


def test_a_perform_may_interrupt_for_a_budget() -> None:
    async def broke(request):
        return Observed(Interrupted("budget", "spent 10 USD"))

    async def main():
        state = await aconverse(PLAIN, begun(PLAIN), broke)
        assert (state.phase.reason, state.phase.detail) == (StopReason.BUDGET, "spent 10 USD")

    run(main)
