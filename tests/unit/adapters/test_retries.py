"""Another attempt where it is worth one, never more than allowed, and with all its facts."""

import asyncio
from itertools import count

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.retries import RetryPolicy, with_retries
from convsim_fp.errors import (
    ContextTooLong,
    MalformedReply,
    PortError,
    RateLimited,
    Refused,
    RetryableError,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from convsim_fp.interpreters import Facts, Reply

RETRYABLE = (RateLimited, TimedOut, Unavailable)
FINAL = (ContextTooLong, MalformedReply, Refused, Unauthorized)

waits = st.none() | st.floats(0, 100)
costs = st.none() | st.integers(0, 80).map(lambda n: n / 8)
errors = st.builds(
    lambda kind, wait, cost: kind("no", retry_after=wait, facts=Facts(cost=cost)),
    st.sampled_from(RETRYABLE),
    waits,
    costs,
) | st.builds(lambda kind, cost: kind("no", facts=Facts(cost=cost)), st.sampled_from(FINAL), costs)
policies = st.builds(
    RetryPolicy,
    retries=st.integers(0, 5),
    first_wait=st.floats(0, 10),
    longest_wait=st.floats(0, 60),
    deadline=st.floats(0, 300),
)


class Endpoint:
    """Fails with each of the errors in turn, then answers; remembers every request."""

    def __init__(self, failures):
        self.failures = list(failures)
        self.asked = 0

    def __call__(self, request):
        self.asked += 1
        if self.asked <= len(self.failures):
            raise self.failures[self.asked - 1]
        return Reply("Hello.", Facts(cost=0.25))


def outcome(model, *, asynchronous=False):
    """What a call gives, and the error instead where it fails."""
    try:
        answer = model(None)
        return asyncio.run(answer) if asynchronous else answer
    except PortError as error:
        return error


@given(st.lists(errors, max_size=8), policies, st.lists(st.floats(0, 1), min_size=9, max_size=9))
def test_attempts_waits_and_facts_keep_to_the_policy(failures, policy, drawn) -> None:
    """Laws: attempts ≤ 1 + retries; only what is worth it is tried again; a wait is never shorter
    than the endpoint asks and never longer than allowed; all waits fit the deadline; the facts are
    those of all attempts."""
    endpoint, slept, chance = Endpoint(failures), [], iter(drawn)
    model = with_retries(endpoint, policy, sleep=slept.append, chance=lambda: next(chance))
    seen = outcome(model)

    assert endpoint.asked <= 1 + policy.retries
    assert len(slept) == endpoint.asked - 1
    assert sum(slept) <= policy.deadline
    for error, wait in zip(failures, slept, strict=False):
        assert isinstance(error, RetryableError)
        asked_for = error.retry_after or 0.0
        assert asked_for <= policy.longest_wait
        assert asked_for <= wait <= policy.longest_wait + policy.first_wait
    tried = failures[: endpoint.asked]
    answered = endpoint.asked > len(failures)
    known = [e.facts.cost for e in tried[:-1] if e.facts.cost is not None] if not answered else []
    assert isinstance(seen, Reply if answered else PortError)
    assert seen.facts.attempts == endpoint.asked
    if answered:
        assert len(seen.facts.errors) == len(failures)
    else:
        assert seen is failures[endpoint.asked - 1]
        assert len(seen.facts.errors) == endpoint.asked
        assert known == [] or seen.facts.cost >= sum(known)


@given(st.lists(errors, max_size=4))
def test_a_coroutine_function_is_tried_like_a_function(failures) -> None:
    """Law: sync and async are the same."""

    async def no_sleep(seconds):
        pass

    def copies():
        return [
            type(e)("no", facts=e.facts)
            if isinstance(e, FINAL)
            else type(e)("no", retry_after=e.retry_after, facts=e.facts)
            for e in failures
        ]

    plain, endpoint = Endpoint(copies()), Endpoint(copies())

    async def model(request):
        return endpoint(request)

    rules = {"policy": RetryPolicy(retries=3), "chance": lambda: 0.5}
    sync = outcome(with_retries(plain, sleep=lambda s: None, **rules))
    later = outcome(with_retries(model, sleep=no_sleep, **rules), asynchronous=True)
    assert plain.asked == endpoint.asked
    assert (type(sync), str(getattr(sync, "text", sync))) == (
        type(later),
        str(getattr(later, "text", later)),
    )
    assert sync.facts == later.facts


@pytest.mark.parametrize("kind", FINAL)
def test_what_will_not_pass_is_asked_once(kind) -> None:
    endpoint = Endpoint([kind("no")])
    error = outcome(with_retries(endpoint, sleep=pytest.fail))
    assert (str(error), endpoint.asked) == ("no", 1)


def test_the_last_error_says_how_often_it_was_tried() -> None:
    failures = [Unavailable("down", facts=Facts(cost=0.5)), RateLimited("slow"), TimedOut("late")]
    error = outcome(
        with_retries(Endpoint(failures), RetryPolicy(retries=2), sleep=lambda seconds: None)
    )
    assert error is failures[2]
    assert str(error) == "late (after 3 attempts)"
    assert error.facts == Facts(
        cost=0.5,
        attempts=3,
        errors=("unavailable: down", "rate_limited: slow", "timed_out: late"),
    )


def test_an_answer_holds_what_failed_before_it() -> None:
    failures = [RateLimited("slow", facts=Facts(cost=0.5, input_tokens=7))]
    reply = outcome(with_retries(Endpoint(failures), sleep=lambda seconds: None))
    assert reply.facts == Facts(
        cost=0.75, input_tokens=7, attempts=2, errors=("rate_limited: slow",)
    )


def test_an_answer_at_once_is_given_as_it_is() -> None:
    reply = Reply("Hello.")
    assert with_retries(lambda request: reply)(None) is reply
    assert with_retries(lambda request: "Hello.")(None) == "Hello."


def test_a_wait_that_is_too_long_is_not_waited_for() -> None:
    endpoint = Endpoint([RateLimited("slow down", retry_after=3600)])
    error = outcome(with_retries(endpoint, sleep=pytest.fail))
    assert str(error) == "slow down; it asks to wait 3600 s, longer than 60 s"
    assert endpoint.asked == 1


def test_nothing_is_tried_again_once_the_run_may_not_go_on() -> None:
    endpoint, slept = Endpoint([Unavailable("down")] * 9), []
    model = with_retries(endpoint, may_go_on=lambda: len(slept) < 1, sleep=slept.append)
    assert outcome(model).facts.attempts == endpoint.asked == len(slept) == 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_ends_the_run_during_a_wait_is_the_last_word(asynchronous) -> None:
    """Law: a budget used up during a wait sends no other request, and costs add up once."""
    down = Unavailable("down", facts=Facts(cost=0.5))
    endpoint, asked = Endpoint([down] * 9), count()

    async def model(request):
        return endpoint(request)

    async def no_sleep(seconds):
        pass

    given = (model, no_sleep) if asynchronous else (endpoint, lambda seconds: None)
    retried = with_retries(given[0], may_go_on=lambda: next(asked) < 3, sleep=given[1])
    error = outcome(retried, asynchronous=asynchronous)
    assert (str(error), endpoint.asked) == ("down (after 2 attempts)", 2)
    assert error.facts == Facts(cost=1.0, attempts=2, errors=("unavailable: down",) * 2)


@pytest.mark.parametrize(("queued", "attempts"), [(0.0, 1), (3600.0, 2)])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_time_that_a_call_waits_for_its_turn_counts_to_no_deadline(
    asynchronous, queued, attempts
) -> None:
    """Of the hour that the first attempt seems to take it waited as long as that."""
    told = iter([0.0])
    endpoint, policy = Endpoint([Unavailable("down")]), RetryPolicy(deadline=0.0)

    async def model(request):
        return endpoint(request)

    async def no_sleep(seconds):
        pass

    given = (model, no_sleep) if asynchronous else (endpoint, lambda seconds: None)
    retried = with_retries(
        given[0], policy, sleep=given[1], chance=lambda: 0.0, waited=lambda: next(told, queued)
    )
    outcome(retried, asynchronous=asynchronous)
    assert endpoint.asked == attempts


def test_what_is_no_port_error_is_not_ours() -> None:
    with pytest.raises(ZeroDivisionError):
        with_retries(lambda request: 1 / 0, sleep=pytest.fail)(None)


@given(policies, st.integers(1, 5000), waits, st.floats(0, 1))
def test_waits_grow_up_to_the_longest(policy, attempt, asked_for, chance) -> None:
    wait = policy.wait(attempt, asked_for, chance)
    assert wait >= (asked_for or 0.0)
    assert policy.wait(attempt, None, chance) <= policy.longest_wait
    assert policy.wait(attempt, None, 1.0) <= policy.wait(attempt + 1, None, 1.0)


@pytest.mark.parametrize("name", ["retries", "first_wait", "longest_wait", "deadline"])
def test_a_policy_below_nothing_is_refused(name) -> None:
    with pytest.raises(ValueError, match=name):
        evolve(RetryPolicy(), **{name: -1})


@pytest.mark.parametrize(("hangs_at", "attempts"), [("wait", 1), ("attempt", 2)])
def test_a_call_that_is_given_up_tells_the_attempts_that_were_made(hangs_at, attempts) -> None:
    """While it waits for the next attempt, and while that is under way."""
    hanging = asyncio.Event()

    async def hang(*_):
        hanging.set()
        await asyncio.sleep(3600)

    async def flaky(request):
        if not hanging.is_set() and not flaky.failed:
            flaky.failed = True
            raise Unavailable("down", facts=Facts(cost=0.5))
        await hang()

    async def pause(seconds):
        if hangs_at == "wait":
            await hang()

    flaky.failed = False

    async def main():
        asked = asyncio.create_task(with_retries(flaky, sleep=pause)(None))
        await hanging.wait()
        asked.cancel()
        try:
            await asked
        except asyncio.CancelledError as error:
            return error.__cause__

    cause = asyncio.run(main())
    assert isinstance(cause, PortError)
    assert (cause.facts.attempts, cause.facts.cost) == (attempts, 0.5)
