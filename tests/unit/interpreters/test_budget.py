"""What a run may spend, and what becomes of its sessions when that is used up."""

import asyncio
import math
import threading
from collections import Counter
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_fp import goals, users
from convsim_fp.core import Lane, Rules, Say, StopReason, TestCase
from convsim_fp.errors import InvalidSpec, MalformedReply, PortError
from convsim_fp.interpreters import (
    AgentReply,
    Budget,
    Facts,
    Ports,
    Reply,
    Spent,
    aconverse_all,
    converse_all,
)

CASES = [TestCase(goal=f"goal {number}", id=f"c{number}") for number in range(4)]
TALKS = Rules(lambda view: Say(f"Message {view.turn}."), goals.never, max_turns=5)
PROMPTED = Rules(users.prompted(), goals.never, max_turns=5)


def agent(request):
    return f"Reply {request.id.turn}."


def pays(facts):
    return Ports(agent, lambda request: Reply(f"Message {request.id.turn}.", facts))


counts = st.none() | st.integers(0, 10_000)
costs = st.none() | st.floats(0, 5)
some_facts = st.builds(Facts, input_tokens=counts, output_tokens=counts, cost=costs)


@given(st.lists(some_facts))
def test_what_is_spent_only_grows_and_the_unknown_adds_nothing(facts) -> None:
    """Law: spent is a fold, and each fact adds what it knows."""
    folded = list(accumulate(facts, Spent.plus, initial=Spent()))
    assert all(a.cost <= b.cost and a.tokens <= b.tokens for a, b in pairwise(folded))
    known = (each or 0 for f in facts for each in (f.input_tokens, f.output_tokens))
    assert folded[-1].tokens == sum(known)
    assert folded[-1].cost == pytest.approx(sum(f.cost or 0 for f in facts))


@given(st.lists(some_facts), st.floats(0.01, 20), st.integers(1, 50_000))
def test_a_budget_once_used_up_stays_so(facts, cost, tokens) -> None:
    budget = Budget(cost=cost, tokens=tokens)
    seen = [budget.used_up(s, 0) for s in accumulate(facts, Spent.plus, initial=Spent())]
    first = next((i for i, why in enumerate(seen) if why), len(seen))
    assert not any(seen[:first])
    assert all(seen[first:])


@pytest.mark.parametrize("name", ["cost", "tokens", "seconds"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "5"])
def test_a_budget_that_is_no_number_above_zero_is_refused(name, value) -> None:
    with pytest.raises(InvalidSpec, match=f"budget: {name} is .*, expected a number above 0"):
        Budget(**{name: value})


def test_no_limits_are_never_used_up() -> None:
    assert Budget().used_up(Spent(1e9, 10**12), 1e9) is None


def test_a_run_asks_nothing_new_when_its_tokens_are_used_up(run_all) -> None:
    asked = []

    def model(request):
        asked.append(request)
        return Reply(f"Message {request.id.turn}.", Facts(input_tokens=90, output_tokens=10))

    states = run_all(CASES, PROMPTED, Ports(agent, model), concurrency=1, budget=Budget(tokens=300))
    assert len(asked) == 3
    assert {state.stop_reason for state in states} == {StopReason.BUDGET}
    assert [state.turns for state in states] == [3, 0, 0, 0]
    assert states[0].why == "the budget of 300 tokens is used up: 300 tokens"
    assert states[1].why.startswith("it had not begun: the budget")


def test_what_was_finished_before_is_kept_and_everyone_is_told_of(run_all) -> None:
    ended = []
    ports = pays(Facts(cost=0.1))
    rules = Rules(users.prompted(), goals.never, max_turns=2)
    states = run_all(
        CASES, rules, ports, concurrency=1, budget=Budget(cost=0.35), finished=ended.append
    )
    reasons = [str(state.stop_reason) for state in states]
    assert reasons == ["max_turns", "budget", "budget", "budget"]
    assert ended == list(states)
    assert len(states[1].transcript) == 3  # the last answer was on its way, and is not thrown away


def test_a_request_that_was_never_sent_is_no_entry(run_all) -> None:
    entries = []
    run_all(
        CASES[:1],
        PROMPTED,
        pays(Facts(cost=1.0)),
        sink=entries.append,
        budget=Budget(cost=1.5),
    )
    assert [entry.request and str(entry.request.id) for entry in entries] == [
        "1/user/0",
        "1/agent/0",
        "2/user/0",
        None,
    ]
    assert not any(entry.wasted for entry in entries)


def test_the_cost_of_an_agent_counts_and_so_does_that_of_a_failure(run_all) -> None:
    ports = Ports(lambda request: AgentReply("Yes?", facts=Facts(cost=0.5)))
    [state] = run_all(CASES[:1], TALKS, ports, budget=Budget(cost=0.9))
    assert (state.stop_reason, state.turns) == (StopReason.BUDGET, 3)

    def fails(request):
        raise MalformedReply("no choices", facts=Facts(cost=0.5, output_tokens=7))

    entries = []
    states = run_all(
        CASES,
        PROMPTED,
        Ports(agent, fails),
        concurrency=1,
        sink=entries.append,
        budget=Budget(cost=0.9),
    )
    reasons = Counter(str(state.stop_reason) for state in states)
    assert reasons == {"user_failed": 2, "budget": 2}
    assert entries[0].observed.facts.output_tokens == 7


def test_at_the_last_second_a_call_under_way_is_given_up(run_all) -> None:
    entries = []

    async def hangs(request):
        await asyncio.sleep(3600)

    states = run_all(
        CASES, TALKS, Ports(hangs), concurrency=2, sink=entries.append, budget=Budget(seconds=0.05)
    )
    assert {str(state.stop_reason) for state in states} == {"budget"}
    assert states[0].why == "the budget of 0.05 seconds is used up: the time is over"
    assert [state.turns for state in states] == [1, 1, 0, 0]
    assert [entry.wasted for entry in entries if entry.request] == [True, True]


class Waits(PortError):
    """A port that was cancelled before it had sent anything."""


async def waits(request):
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError as error:
        raise error from Waits(facts=Facts(attempts=0))


def test_what_was_never_sent_by_the_last_second_is_not_booked(run_all) -> None:
    entries = []
    [state] = run_all(
        CASES[:1], TALKS, Ports(waits), sink=entries.append, budget=Budget(seconds=0.05)
    )
    assert state.stop_reason == "budget"
    assert [entry.request.id.lane for entry in entries if entry.request] == []


def test_time_that_is_over_stops_overlapping_requests_too(run_all) -> None:
    async def model(request):
        if request.id.lane is Lane.GOAL_CHECK or request.id.turn == 2:
            await asyncio.sleep(3600)
        return "Hello."

    rules = Rules(users.prompted(), goals.prompted(), overlap=True)
    [state] = run_all(CASES[:1], rules, Ports(agent, model), budget=Budget(seconds=0.1))
    assert (state.stop_reason, state.turns) == (StopReason.BUDGET, 1)


def test_a_blocking_agent_does_not_hold_up_the_end_of_the_time() -> None:
    free = threading.Event()
    try:
        [state] = converse_all(
            CASES[:1], TALKS, Ports(lambda r: free.wait(60)), budget=Budget(seconds=0.05)
        )
    finally:
        free.set()
    assert state.stop_reason == StopReason.BUDGET


def test_a_budget_with_room_changes_nothing(run_all) -> None:
    ports = pays(Facts(cost=0.01, input_tokens=5))
    plenty = Budget(cost=1e6, tokens=10**9, seconds=3600)
    assert run_all(CASES, PROMPTED, ports, budget=plenty) == run_all(CASES, PROMPTED, ports)


def test_cancelling_goes_through_the_bound_of_the_time() -> None:
    async def run():
        begun = asyncio.Event()

        async def hangs(request):
            begun.set()
            await asyncio.sleep(3600)

        running = asyncio.create_task(
            aconverse_all(CASES, TALKS, Ports(hangs), budget=Budget(seconds=3600))
        )
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(run())
