"""A model that fails a little, by half, or always: bounded requests, and every session has its end.

Real requests to a server on loopback, of whole runs.
"""

import asyncio
import logging
import signal
import threading

import pytest

from convsim_adapters import SimulationInterrupted, simulate
from convsim_fp.core import StopReason
from convsim_fp.interpreters import Facts, Reply

SESSIONS, RETRIES = 24, 1
ENDS = {
    StopReason.GOAL_ACHIEVED,
    StopReason.GOAL_CHECK_FAILED,
    StopReason.MAX_TURNS,
    StopReason.USER_FAILED,
}
KINDS = {"429": ("429",), "5xx": ("500", "503", "529"), "hang": ("hang",)}


async def agent(messages):
    return "Which order?"


def storm(loopback, **told):
    cases = [{"id": f"c{n}", "goal": f"a refund for W{n}"} for n in range(SESSIONS)]
    settings = {
        "user_model": "openai/gpt-4o-mini",
        "user_params": {"api_base": loopback.base},
        "max_turns": 2,
        "retries": RETRIES,
        "save": False,
    }
    return simulate(cases, agent, **{**settings, **told})


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_a_storm_costs_bounded_requests_and_loses_no_session(loopback, kind, share) -> None:
    """Laws: requests ≤ (1 + retries) × calls; each session has its typed end; what failed for good
    was tried as often as allowed, and no one's failure ends another."""
    loopback.share, loopback.kinds, loopback.keep = share, KINDS[kind], False
    run = storm(loopback, timeout=0.05 if kind == "hang" else 30.0)
    assert len(run.sessions) == SESSIONS
    assert {one.stop_reason for one in run.sessions} <= ENDS
    of_agent = sum(one.turns for one in run.sessions)
    sent, calls = run.usage.attempts - of_agent, run.usage.requests - of_agent
    assert loopback.count <= sent <= (1 + RETRIES) * calls
    if share == 1.0:
        assert {one.stop_reason for one in run.sessions} == {StopReason.USER_FAILED}
        assert sent == (1 + RETRIES) * SESSIONS


def test_outcomes_are_the_same_whatever_limits_them(loopback) -> None:
    """Law: how many are under way at once, and how many a minute may have, changes no outcome."""
    loopback.share, loopback.kinds, loopback.keep = 0.1, ("429", "503"), False
    runs = [
        storm(loopback, retries=6, **told)
        for told in ({}, {"concurrency": 5}, {"rpm": 100_000, "tpm": 100_000_000})
    ]
    told = [[(one.stop_reason, one.turns, one.transcript) for one in run.sessions] for run in runs]
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("judge", [{}, {"goal_model": "openai/gpt-4o"}])
def test_a_model_that_is_asked_for_less_is_named_once(loopback, caplog, judge) -> None:
    """The judge that is the user's model shares its limits; another has its own."""
    loopback.share, loopback.kinds, loopback.keep = 0.1, ("429",), False
    params = {"goal_params": {"api_base": loopback.base}} if judge else {}
    with caplog.at_level(logging.WARNING, "convsim"):
        storm(loopback, retries=6, **judge, **params)
    said = [
        one.getMessage() for one in caplog.records if "answers 429: at most" in one.getMessage()
    ]
    assert sorted(line.split(" answers")[0] for line in said) == sorted(
        ["openai/gpt-4o-mini", *judge.values()]
    )


def waiting_run(answered=None, **told):
    """All sessions but the first wait for their turn, for a minute each."""
    cases = [{"id": f"c{n}", "goal": "a refund", "goal_when": "never"} for n in range(SESSIONS)]

    async def model(request):
        if answered is not None:
            answered()
        await asyncio.sleep(0.01)  # while the others come
        return Reply("My shoes.", Facts(input_tokens=900, output_tokens=100))

    return simulate(cases, agent, user_model=model, rpm=1, save=False, **told)


def test_the_last_second_of_a_run_ends_those_that_wait() -> None:
    run = waiting_run(max_seconds=0.2)
    assert {one.stop_reason for one in run.sessions} == {StopReason.BUDGET}


def test_a_signal_ends_those_that_wait() -> None:
    main = threading.main_thread().ident
    with pytest.raises(SimulationInterrupted) as stopped:
        waiting_run(answered=lambda: signal.pthread_kill(main, signal.SIGINT))
    assert {one.stop_reason for one in stopped.value.run.sessions} == {StopReason.CANCELLED}


def test_a_budget_that_is_used_up_ends_those_that_wait_and_sends_none_of_them() -> None:
    answers = []
    run = waiting_run(answered=lambda: answers.append(1), max_tokens=900)
    assert {one.stop_reason for one in run.sessions} == {StopReason.BUDGET}
    assert len(answers) == 1


def test_a_message_ahead_that_was_given_up_before_its_turn_was_never_sent() -> None:
    """The judge has the last turn of the minute; its yes ends the session, and who still waits."""
    asked = []

    async def model(request):
        asked.append(request.id.lane)
        await asyncio.sleep(0)
        return '{"rationale": "done", "result": "yes"}' if request.prompt.schema else "Hello."

    run = simulate(
        [{"goal": "a refund"}], agent, user_model=model, goal_model=model, rpm=2, save=False
    )
    assert [str(lane) for lane in asked] == ["user", "goal_check"]
    of_agent = run.sessions[0].turns
    assert (run.usage.wasted, run.usage.attempts - of_agent) == (1, len(asked))
