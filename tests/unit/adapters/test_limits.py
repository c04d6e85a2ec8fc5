"""Requests wait for their turn, in the order of their sessions, and none of them for ever.

The loop has a clock of its own that jumps to the next moment at which something happens.
"""

import asyncio
import errno
import logging
import os
import selectors
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.limits import (
    Limiter,
    Limits,
    Minute,
    NotSent,
    Rates,
    SharedMinute,
    Sharing,
    Signal,
    limited,
    waited,
)
from convsim_adapters.retries import RetryPolicy, with_retries
from convsim_adapters.running.models import choose_model
from convsim_adapters.running.plans import Settings, make_plan
from convsim_fp.errors import (
    InvalidSpec,
    PortError,
    RateLimited,
    Refused,
    TimedOut,
    Unavailable,
)
from convsim_fp.interpreters import Facts, Reply


class Jumping(selectors.DefaultSelector):
    """Lets no time pass but the loop's own; raises where nothing could happen any more."""

    passed = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everybody waits, and nothing will happen")
            self.passed += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.jumping = Jumping()
        super().__init__(self.jumping)

    def time(self):
        return self.jumping.passed


def run(main):
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)


def now():
    return asyncio.get_running_loop().time()


def asks(session, words="Hello?"):
    messages = [SimpleNamespace(content=words)]
    return SimpleNamespace(session=SimpleNamespace(id=session), messages=messages)


class Endpoint:
    """Answers as it is told, or well; remembers who was under way, and when each was sent."""

    def __init__(self, *answers, takes=1.0):
        self.answers, self.takes = list(answers), takes
        self.times, self.sessions, self.most, self.under_way = [], [], 0, 0

    async def __call__(self, request):
        self.times.append(now())
        self.sessions.append(request.session.id)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            answer = self.answers.pop(0) if self.answers else Reply("Hello.")
            await asyncio.sleep(self.takes)
        finally:
            self.under_way -= 1
        if isinstance(answer, BaseException):
            raise answer
        return answer


def limiter(at_once=400, told=None, **more):
    given = {name: more.pop(name) for name in ("rpm", "tpm", "parts") if name in more}
    tell = (lambda signal: None) if told is None else told.append
    return Limiter("openai/gpt-5-mini", Limits.of(at_once, **given), key="m", tell=tell, **more)


async def ended(*calls):
    return await asyncio.gather(*calls, return_exceptions=True)


def slow(wait=None):
    return RateLimited("429: slow down", retry_after=wait)


def test_nothing_waits_when_nothing_limits() -> None:
    """A call goes through without giving the loop a turn, and leaves nothing behind."""
    keeper = limiter()

    async def at_once(request):
        return "Hello."

    async def main():
        call = limited(at_once, keeper)(asks("a"))
        with pytest.raises(StopIteration) as stopped:
            call.send(None)
        return stopped.value.value

    assert run(main()) == "Hello."
    assert keeper.limits == Limits.of(400)


talks = st.lists(
    st.tuples(
        st.integers(0, 5),  # session
        st.floats(0, 30),  # when it asks
        st.floats(0, 20),  # how long it is answered
        st.sampled_from(("good", "429", "after", "late", "down", "cancelled")),
    ),
    max_size=25,
)


@given(talks, st.integers(1, 8), st.none() | st.integers(1, 5), st.none() | st.integers(1, 300))
def test_every_request_has_its_end_and_none_is_sent_against_the_limits(
    talked, at_once, rpm, tpm
) -> None:
    """Laws: all end, by an answer, by its error, or by being cancelled; never more under way than
    the limit at first; nothing is sent in a pause; no 60 s with more than rpm; nothing is left."""
    keeper, times, pauses = limiter(at_once, rpm=rpm, tpm=tpm), [], []
    under_way = 0

    async def one(session, start, takes, how):
        async def model(request):
            nonlocal under_way
            under_way += 1
            assert under_way <= min(at_once, keeper.limits.under_way)
            assert not any(since < now() < since + 7 for since in pauses)
            times.append(now())
            try:
                await asyncio.sleep(takes)
            finally:
                under_way -= 1
            errors = {"429": slow(), "after": slow(7.0), "late": TimedOut(), "down": Unavailable()}
            if how == "after":
                pauses.append(now())
            if how in errors:
                raise errors[how]
            return Reply("Hello.", Facts(input_tokens=90, output_tokens=10))

        await asyncio.sleep(start)
        async with asyncio.timeout(takes / 2 if how == "cancelled" else None):
            return await limited(model, keeper)(asks(str(session)))

    async def main():
        return await ended(*(one(*told) for told in talked))

    outcomes = run(main())
    assert all(isinstance(it, Reply | PortError | TimeoutError) for it in outcomes)
    assert under_way == keeper.limits.under_way == 0
    if rpm is not None:
        assert all(last - first > 60 for first, last in zip(times, times[rpm:], strict=False))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 4))
def test_the_session_that_began_first_goes_first(order, at_once) -> None:
    """Law: of those that wait, none is sent before one of an earlier session."""
    keeper, endpoint = limiter(at_once), Endpoint()

    async def main():
        await ended(*(limited(endpoint, keeper)(asks(str(session))) for session in order))

    run(main())
    began = list(dict.fromkeys(order))
    came = [began.index(int(session)) for session in endpoint.sessions]
    assert endpoint.most == min(at_once, len(order))
    assert came[at_once:] == sorted(came[at_once:])


def test_who_was_let_in_and_cancelled_at_the_same_moment_leaves_the_place_to_the_next() -> None:
    keeper, endpoint = limiter(1), Endpoint()

    async def main():
        ask = limited(endpoint, keeper)

        async def cancels_the_next():
            answer = await ask(asks("a"))
            calls[1].cancel()  # which has its turn, and has not noticed yet
            return answer

        asked = (cancels_the_next(), ask(asks("b")), ask(asks("c")))
        calls = [asyncio.create_task(one) for one in asked]
        return await ended(*calls)

    first, second, third = run(main())
    assert (first, third) == (Reply("Hello."), Reply("Hello."))
    assert isinstance(second, asyncio.CancelledError)
    assert endpoint.sessions == ["a", "c"]
    assert keeper.limits.under_way == 0


def test_a_limit_is_halved_once_for_a_burst_and_said_once(caplog) -> None:
    keeper = limiter()
    endpoint = Endpoint(*(slow() for _ in range(24)))

    async def main():
        ask = limited(endpoint, keeper)
        await ended(*(ask(asks(str(n))) for n in range(24)))
        assert keeper.limits.at_once.most == 12
        endpoint.answers, endpoint.most = [slow()] * 40, 0
        await ended(*(ask(asks(str(n))) for n in range(40)))

    with caplog.at_level(logging.WARNING, "convsim"):
        run(main())
    assert endpoint.most == 12
    said = "openai/gpt-5-mini answers 429: at most 12 requests at once from now on"
    assert [record.getMessage() for record in caplog.records] == [said]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimedOut("no answer in 9 s"), "m does not answer in time: at most 1 request at once"),
        (
            Unavailable(str(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))),
            "m cannot be reached while so many files are open: at most 1 request at once",
        ),
        (Unavailable("503: down"), None),
        (Refused("404"), None),
    ],
)
def test_only_what_tells_of_too_many_requests_lowers_the_limit(error, said, caplog) -> None:
    keeper = limiter()
    keeper.name = "m"
    with caplog.at_level(logging.WARNING, "convsim"):
        outcomes = run(ended(limited(Endpoint(error), keeper)(asks("a"))))
    assert outcomes == [error]
    assert keeper.limits.at_once.most == (400 if said is None else 1)
    assert [r.getMessage() for r in caplog.records] == [f"{said} from now on"] * bool(said)


def retried(endpoint, keeper, **told):
    policy = RetryPolicy(first_wait=0.5, **told)
    return with_retries(limited(endpoint, keeper), policy, chance=lambda: 0.5, waited=waited)


def test_all_wait_once_for_what_one_was_asked_to_wait_and_begin_slowly() -> None:
    """Eight are refused for 7 s; eight others come meanwhile, and no one of them is refused."""
    keeper = limiter()
    endpoint = Endpoint(*(slow(7.0) for _ in range(8)))

    async def late(n):
        await asyncio.sleep(2)
        return await retried(endpoint, keeper)(asks(f"late {n}"))

    async def main():
        first = [retried(endpoint, keeper)(asks(f"first {n}")) for n in range(8)]
        answers = await ended(*first, *(late(n) for n in range(8)))
        return answers, now()

    answers, finished = run(main())
    assert [answer.facts.attempts for answer in answers] == [2] * 8 + [1] * 8
    assert endpoint.times[:8] == [0.0] * 8
    # One at 1 + 7 s, two a second later, then four: half of the eight. From there one by one.
    later = [endpoint.times[8:].count(8.0 + second) for second in range(4)]
    assert later == [1, 2, 4, 5]
    assert finished < 14  # twice the wait, and the sixteen have been answered


def test_another_wait_that_is_asked_for_meanwhile_is_kept_too() -> None:
    keeper = limiter()

    async def main():
        refused = [limited(Endpoint(slow(wait)), keeper)(asks("a")) for wait in (7.0, 7.2, 3.0)]
        await ended(*refused)
        endpoint = Endpoint()
        await limited(endpoint, keeper)(asks("b"))
        return endpoint.times

    assert run(main()) == [pytest.approx(1.0 + 7.2)]
    assert keeper.limits.at_once.generation == 2  # one decrease, one pause that became longer


def test_a_wait_that_is_too_long_fails_at_once_and_holds_nobody() -> None:
    keeper, endpoint = limiter(), Endpoint(slow(3600.0))

    async def main():
        ask = retried(endpoint, keeper)
        return await ended(ask(asks("a"))), await ask(asks("b")), now()

    [error], answer, finished = run(main())
    assert "it asks to wait 3600 s, longer than 60 s" in str(error)
    assert (answer, finished) == (Reply("Hello."), 2.0)


def test_a_server_that_is_down_for_a_while_is_left_alone_without_being_asked_less() -> None:
    keeper, endpoint = limiter(), Endpoint(Unavailable("503", retry_after=5.0))

    async def main():
        ask = limited(endpoint, keeper)
        await ended(*(ask(asks(str(n))) for n in range(9)))
        await ended(*(ask(asks(str(n))) for n in range(600)))

    run(main())
    assert endpoint.times[9:12] == [6.0, 7.0, 7.0]
    assert keeper.limits.at_once.most == 400


def test_tokens_are_guessed_until_an_answer_tells_them() -> None:
    reply = Reply("Hello.", Facts(input_tokens=400, output_tokens=100))
    keeper, endpoint = limiter(tpm=1000), Endpoint(*[reply] * 9)

    async def main():
        ask = limited(endpoint, keeper)
        await ended(*(ask(asks("a", "x" * 2000)) for _ in range(3)))  # 500 tokens, at four each
        await ended(ask(asks("b", "x")))

    run(main())
    assert endpoint.times == [0.0, 0.0, 61.0, 62.0]
    assert keeper.limits.minute.mean == 500.0


def test_an_answer_that_tells_no_tokens_counts_as_it_was_guessed() -> None:
    keeper, endpoint = limiter(tpm=1000), Endpoint("Hello.", Reply("Hello."))

    async def main():
        ask = limited(endpoint, keeper)
        await ended(*(ask(asks("a", "x" * 4000)) for _ in range(2)))

    run(main())
    assert endpoint.times == [0.0, 61.0]


def test_waiting_for_a_turn_uses_up_no_time_to_try_again() -> None:
    """The last waits forty minutes for its first turn, and is tried again like the others."""
    keeper = limiter(rpm=1)
    endpoint = Endpoint(*(Unavailable("503"), Reply("Hello.")) * 20)

    async def main():
        return await ended(*(retried(endpoint, keeper)(asks(str(n))) for n in range(20)))

    answers = run(main())
    assert [answer.facts.attempts for answer in answers] == [2] * 20
    assert endpoint.sessions == [str(n) for n in range(20) for _ in range(2)]


def test_where_nothing_is_answered_nobody_waits_longer_than_ten_minutes() -> None:
    keeper = limiter(1)
    late = [TimedOut("no answer in 240 s") for _ in range(3)]
    endpoint = Endpoint(*late, takes=240.0)

    async def main():
        ask = retried(endpoint, keeper, retries=0)
        return await ended(*(ask(asks(str(n))) for n in range(6))), now()

    outcomes, finished = run(main())
    assert outcomes[:3] == late
    what = "it waited 600 s for its turn, and no request was answered meanwhile"
    assert [str(error) for error in outcomes[3:]] == [f"openai/gpt-5-mini: {what}"] * 3
    assert [type(error) for error in outcomes[3:]] == [NotSent] * 3  # not tried again
    assert [error.facts.attempts for error in outcomes] == [1, 1, 1, 0, 0, 0]
    assert finished == 720.0


def test_who_has_waited_in_vain_is_not_made_to_wait_again() -> None:
    keeper, endpoint = limiter(1), Endpoint(takes=10_000.0)

    async def main():
        ask = retried(endpoint, keeper, retries=4)
        first = asyncio.create_task(ask(asks("1")))
        await asyncio.sleep(0)
        [outcome] = await ended(ask(asks("2")))
        waited = now()
        await first
        return outcome, waited

    outcome, waited = run(main())
    assert (type(outcome), waited) == (NotSent, 600.0)


def test_where_anything_is_answered_everybody_waits_as_long_as_it_takes() -> None:
    keeper, endpoint = limiter(1), Endpoint(takes=300.0)

    async def main():
        ask = limited(endpoint, keeper)
        return await ended(*(ask(asks(str(n))) for n in range(6))), now()

    outcomes, finished = run(main())
    assert outcomes == [Reply("Hello.")] * 6
    assert finished == 1800.0


def test_those_that_wait_are_not_sent_when_the_budget_is_used_up() -> None:
    """The budget is seen to be used up at the next answer, and ends them a second after that."""
    keeper, endpoint = limiter(2, may_go_on=lambda: now() < 1.5), Endpoint()

    async def main():
        return await ended(*(limited(endpoint, keeper)(asks(str(n))) for n in range(6))), now()

    outcomes, finished = run(main())
    answered = [one for one in outcomes if isinstance(one, Reply)]
    unsent = [one for one in outcomes if isinstance(one, NotSent)]
    assert (len(answered), len(unsent), len(endpoint.times)) == (4, 2, 4)
    assert {one.facts.attempts for one in unsent} == {0}
    assert finished == 3.0


def test_those_that_wait_for_a_minute_see_within_a_second_that_the_run_may_not_go_on() -> None:
    keeper, endpoint = limiter(rpm=1, may_go_on=lambda: now() < 7.5), Endpoint()

    async def main():
        return await ended(*(limited(endpoint, keeper)(asks(str(n))) for n in range(3))), now()

    outcomes, finished = run(main())
    assert [type(one) for one in outcomes] == [Reply, NotSent, NotSent]
    assert finished == 9.0


def test_processes_tell_one_another_what_they_learn() -> None:
    """Two limiters that are wired to each other halve once each for a burst that hits both, wait
    together, and tell what they hear to nobody."""
    told = {"a": [], "b": []}
    keepers = {}

    def teller(name, other):
        def tell(signal):
            told[name].append(signal)
            asyncio.get_running_loop().call_soon(lambda: keepers[other].hear(signal))

        return tell

    for name, other in (("a", "b"), ("b", "a")):
        keepers[name] = Limiter(name, Limits.of(80, parts=2), key="m", tell=teller(name, other))

    async def main():
        bad = {name: Endpoint(*(slow() for _ in range(20))) for name in keepers}
        calls = (
            limited(bad[name], keepers[name])(asks(str(n))) for n in range(20) for name in keepers
        )
        await ended(*calls)
        first = {name: keeper.limits.at_once.most for name, keeper in keepers.items()}
        await ended(limited(Endpoint(slow(7.0)), keepers["a"])(asks("a")))
        await asyncio.sleep(0)
        there = Endpoint()
        await limited(there, keepers["b"])(asks("b"))
        return first, there.times

    first, times = run(main())
    assert first == {"a": 10, "b": 10}
    assert times == [2.0 + 7.0]
    assert told["a"] == [Signal("m", "lowered"), Signal("m", "lowered"), Signal("m", "held", 7.0)]
    assert told["b"] == [Signal("m", "lowered")]


def test_what_one_process_hears_is_not_said_again(caplog) -> None:
    keeper = limiter()

    async def main():
        keeper.hear(Signal("m", "lowered"))
        await ended(*(limited(Endpoint(slow()), keeper)(asks(str(n))) for n in range(9)))

    with caplog.at_level(logging.WARNING, "convsim"):
        run(main())
    assert keeper.limits.at_once.most == 4  # the 200 that it heard of, and its own
    assert not caplog.records


def test_the_parts_of_others_come_to_those_that_are_left() -> None:
    keeper, endpoint = limiter(8, parts=4), Endpoint()

    async def main():
        calls = [asyncio.create_task(limited(endpoint, keeper)(asks(str(n)))) for n in range(8)]
        await asyncio.sleep(0.5)
        assert endpoint.under_way == 2
        keeper.share(1)
        await asyncio.sleep(0)
        assert endpoint.under_way == 8
        await ended(*calls)

    run(main())


async def kept(rates):
    """Give leave as a run does: soon after it is asked, and when there is more."""
    while now() < 1e6:
        at = rates.give(now())
        await asyncio.sleep(min(1.0, max(0.01, at - now())))


def sharing_minute(rates, **more):
    """Two limiters, as of processes that share one minute."""

    def asked(leave):
        rates.ask(leave, lambda given: asyncio.get_running_loop().call_soon(one.given, given))

    def asked_too(leave):
        rates.ask(leave, lambda given: asyncio.get_running_loop().call_soon(two.given, given))

    one = limiter(8, minute=SharedMinute(asked, rates.count), **more)
    two = limiter(8, minute=SharedMinute(asked_too, rates.count), **more)
    return one, two


@given(st.integers(1, 5), st.lists(st.tuples(st.booleans(), st.floats(0, 90)), max_size=15))
def test_processes_that_share_a_minute_send_no_more_than_one_would(rpm, asked) -> None:
    """Laws: all are sent in the end; of any rpm + 1 the last is more than 60 s after the first."""
    rates, endpoint = Rates(Minute(rpm=rpm)), Endpoint()

    async def one(keeper, nth, start):
        await asyncio.sleep(start)
        await limited(endpoint, keeper)(asks(str(nth)))

    async def main():
        keepers = sharing_minute(rates, patience=1e9)
        keeping = asyncio.create_task(kept(rates))
        await asyncio.gather(*(one(keepers[at], n, start) for n, (at, start) in enumerate(asked)))
        keeping.cancel()

    run(main())
    times = endpoint.times
    assert len(times) == len(asked)
    assert all(last - first >= 60 for first, last in zip(times, times[rpm:], strict=False))


def test_tokens_of_all_processes_count_in_the_minute_that_they_share() -> None:
    big = Reply("Hello.", Facts(input_tokens=90, output_tokens=10))
    rates, endpoint = Rates(Minute(tpm=250)), Endpoint(*[big] * 4)

    async def main():
        first, second = sharing_minute(rates)
        keeping = asyncio.create_task(kept(rates))
        for keeper in (first, second, first):
            await limited(endpoint, keeper)(asks("a"))
        keeping.cancel()

    run(main())
    assert [time < 10 for time in endpoint.times] == [True, True, False]


def test_leave_that_comes_when_nobody_waits_is_not_kept_for_later() -> None:
    asked = []
    keeper, endpoint = limiter(minute=SharedMinute(asked.append, print)), Endpoint()

    async def main():
        call = asyncio.create_task(limited(endpoint, keeper)(asks("a")))
        await asyncio.sleep(0.1)
        call.cancel()
        await ended(call)
        keeper.given(asked[0])
        later = asyncio.create_task(limited(endpoint, keeper)(asks("b")))
        await asyncio.sleep(0.1)
        assert len(asked) == 2
        assert endpoint.times == []
        keeper.given(asked[1])
        await later

    run(main())
    assert len(endpoint.times) == 1


def test_a_process_hears_from_any_thread_while_its_run_goes_on() -> None:
    """A real loop: the clock that jumps knows of no threads."""
    keeper, sharing = limiter(80, parts=4), Sharing(parts=4)
    sharing.share(2)

    async def main():
        with sharing.among({"m": keeper}):
            assert keeper.limits.at_once.top == 40
            heard = asyncio.Event()
            loop = asyncio.get_running_loop()

            def reader():
                sharing.hear(Signal("another", "held", 99.0))
                sharing.hear(Signal("m", "lowered"))
                sharing.share(1)
                loop.call_soon_threadsafe(heard.set)

            thread = threading.Thread(target=reader)
            thread.start()
            await heard.wait()
            thread.join()
            assert keeper.limits.at_once.parts == 1
            assert keeper.limits.at_once.most == 40  # half of its part, of which it has two now
            assert keeper.limits.held_until < now()

    asyncio.run(main())
    sharing.hear(Signal("m", "held", 99.0))  # after it, too


def test_what_others_learned_before_a_process_had_begun_counts_when_it_begins() -> None:
    keeper, sharing = limiter(), Sharing()
    sharing.hear(Signal("m", "held", 99.0))

    async def main():
        with sharing.among({"m": keeper}):
            assert 90 < keeper.limits.held_until - now() < 99

    asyncio.run(main())


def chosen(name, **params):
    return choose_model(name, "user_model", params={"api_key": "k", **params}, timeout=9.0)


def test_limits_are_those_of_a_model_at_its_place() -> None:
    """However it samples, and whether it is named with its address or by it."""
    here = chosen("openai/qwen3", api_base="http://127.0.0.1:9/v1", temperature=1)
    same = chosen("http://127.0.0.1:9/v1", model="qwen3")
    others = [
        chosen("openai/qwen3", api_base="http://127.0.0.1:8/v1"),
        chosen("openai/qwen4", api_base="http://127.0.0.1:9/v1"),
        chosen("openai/qwen3"),
    ]
    assert here.key == same.key
    assert len({model.key for model in (here, *others)}) == 4
    assert (here.shown, same.shown) == ("openai/qwen3", "qwen3 at http://127.0.0.1:9/v1")


@pytest.mark.parametrize("name", ["rpm", "tpm"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "60"])
def test_a_minute_has_room_for_a_whole_number(name, value) -> None:
    with pytest.raises(InvalidSpec) as refused:
        make_plan([{"goal": "a refund", "script": ["Hi."]}], print, Settings(**{name: value}))
    what = f"{name} is {value!r}, expected a whole number of at least 1, or None"
    assert what in map(str, refused.value.problems)
