"""What `converse_all` and `aconverse_all` have in common, in a script and in a notebook."""

import asyncio
import threading
import time
from collections import Counter
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

import pytest
from attrs import evolve

from convsim_fp import goals, users
from convsim_fp.core import Lane, Rules, Say, StopReason, TestCase
from convsim_fp.interpreters import (
    Facts,
    Ports,
    Reply,
)

PLAIN = Rules(lambda view: Say(f"Message {view.turn}."), goals.never, max_turns=2)
OVERLAP = Rules(users.prompted(), goals.prompted(), max_turns=2, overlap=True)
CASES = [TestCase(goal=f"goal {number}", id=f"c{number}") for number in range(5)]
NAMES = [f"c{number}/1" for number in range(5)]


def agent(request):
    return f"Reply {request.id.turn}."


async def aagent(request):
    await asyncio.sleep(0)
    return agent(request)


def model(request):
    return "no" if request.id.lane is Lane.GOAL_CHECK else f"Message {request.id.turn}."


async def amodel(request):
    await asyncio.sleep(0)
    return model(request)


def names(states):
    return [state.session.id for state in states]


def reasons(states):
    return [state.phase.reason for state in states]


@pytest.mark.parametrize("rules", [PLAIN, OVERLAP], ids=["plain", "overlap"])
@pytest.mark.parametrize(
    "ports",
    [Ports(agent, model), Ports(aagent, amodel), Ports(agent, amodel), Ports(aagent, model)],
    ids=["sync", "async", "mixed", "mixed too"],
)
def test_states_come_in_the_order_of_the_cases(run_all, rules, ports) -> None:
    states = run_all(CASES, rules, ports, concurrency=2)
    assert names(states) == NAMES
    assert [state.case for state in states] == CASES
    assert reasons(states) == [StopReason.MAX_TURNS] * 5


def test_the_order_does_not_depend_on_which_session_is_slow(run_all) -> None:
    async def slow_first(request):
        await asyncio.sleep(0.001 * (5 - int(request.case.id[1])))
        return "Hi."

    ended = []
    states = run_all(CASES, PLAIN, Ports(slow_first), finished=ended.append)
    assert names(states) == NAMES
    assert sorted(names(ended)) == NAMES


def test_trials_of_a_case_are_neighbours_with_seeds_of_their_own(run_all) -> None:
    seen = []

    def talks(view):
        seen.append(view.seed)
        return Say("Hello.")

    states = run_all(CASES[:2], Rules(talks, None, max_turns=1), Ports(agent), trials=2, seed=3)
    assert names(states) == ["c0/1", "c0/2", "c1/1", "c1/2"]
    assert [state.session.trial for state in states] == [1, 2, 1, 2]
    assert set(seen) == {state.session.seed for state in states}
    again = run_all(CASES[:2], PLAIN, Ports(agent), trials=2, seed=3)
    assert [state.session for state in again] == [state.session for state in states]


def test_cases_may_come_from_a_generator_and_there_may_be_none(run_all) -> None:
    assert run_all([], PLAIN, Ports(agent)) == ()
    assert names(run_all((case for case in CASES), PLAIN, Ports(agent))) == NAMES


@pytest.mark.parametrize("made_async", [False, True])
def test_the_bound_on_sessions_is_reached_and_never_exceeded(run_all, made_async) -> None:
    lock, inside, most = threading.Lock(), 0, 0

    @contextmanager
    def counted():
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        yield
        with lock:
            inside -= 1

    def counting(request):
        with counted():
            time.sleep(0.002)
        return "Hi."

    async def acounting(request):
        with counted():
            await asyncio.sleep(0.002)
        return "Hi."

    cases = [TestCase(goal=str(number)) for number in range(20)]
    run_all(cases, PLAIN, Ports(acounting if made_async else counting), concurrency=3)
    assert most == 3


def test_all_sessions_run_at_once_where_the_bound_allows_it(run_all) -> None:
    together = threading.Barrier(5, timeout=30)

    def meeting(request):
        together.wait()
        return "Hi."

    assert reasons(run_all(CASES, PLAIN, Ports(meeting), concurrency=5)) == ["max_turns"] * 5


def test_ports_may_be_made_for_each_session(run_all) -> None:
    made = []

    def ports(session):
        made.append(session.id)
        return Ports(lambda request: f"I serve {session.id}.")

    async def aports(session):
        await asyncio.sleep(0)
        return ports(session)

    for each in (ports, aports, partial(lambda inner, session: inner(session), aports)):
        made.clear()
        states = run_all(CASES, PLAIN, each)
        assert sorted(made) == NAMES
        assert [state.transcript[1].text for state in states] == [f"I serve {n}." for n in NAMES]


def test_finished_is_told_each_state_once(run_all) -> None:
    ended = []
    states = run_all(CASES, PLAIN, Ports(aagent), trials=3, finished=ended.append)
    assert Counter(names(ended)) == Counter(names(states))
    assert {id(state) for state in ended} == {id(state) for state in states}


def test_facts_go_to_the_entries(run_all) -> None:
    facts = Facts(input_tokens=5, cost=0.002)
    entries = []
    rules = Rules(users.prompted(), None, max_turns=1)
    run_all(CASES, rules, Ports(agent, lambda r: Reply("Hello.", facts)), sink=entries.append)
    models = [entry for entry in entries if entry.request.id.lane is Lane.USER]
    assert {evolve(entry.observed.facts, start=None, seconds=None) for entry in models} == {facts}
    assert all(entry.observed.facts.seconds >= 0 for entry in entries)
    assert all(entry.observed.facts.start > 1.7e9 for entry in entries)  # since 1970


def test_context_variables_of_the_caller_are_seen_everywhere(run_all) -> None:
    user = ContextVar("user")
    user.set("ada")

    async def aport(request):
        return user.get()

    seen = []
    rules = Rules(users.prompted(), None, max_turns=1)
    ports = Ports(lambda request: user.get(), aport)
    run_all(CASES, rules, ports, finished=lambda state: seen.append(user.get()))
    (state, *_) = run_all(CASES, rules, ports)
    assert [message.text for message in state.transcript] == ["ada", "ada"]
    assert set(seen) == {"ada"}
