import asyncio
import threading
from contextvars import ContextVar
from functools import partial

import pytest

from convsim_fp.core import (
    AgentReplied,
    CallAgent,
    Lane,
    Message,
    RequestId,
    Session,
    TestCase,
)
from convsim_fp.interpreters import Ports, aperform, perform
from convsim_fp.interpreters.daemons import in_daemon
from convsim_fp.interpreters.perform import aperform_made, is_async

CASE = TestCase(goal="return the red shoes")
SESSION = Session("refund/1")
SAID = (Message("user", "Hello."),)
CALL = CallAgent(RequestId(1, Lane.AGENT), SESSION, CASE, SAID)


async def awaited(performed, request):
    return await performed(request)


def later(function):
    async def answer(request):
        await asyncio.sleep(0)
        return function(request)

    return answer


class Cancelling:
    """An agent that is cancelled while it works, and what it makes of that."""

    def __init__(self, takes_it) -> None:
        self.takes_it = takes_it

    async def __call__(self, request):
        try:
            asyncio.current_task().cancel("from outside")
            await asyncio.sleep(0)
        except asyncio.CancelledError as error:
            return self.takes_it(error)


def raising(error):
    def takes_it(cancelled):
        raise error from cancelled

    return takes_it


def test_an_async_port_in_the_synchronous_interpreter_is_refused_in_words() -> None:
    agent = later(lambda r: "Hi.")
    for port in (agent, partial(lambda inner, request: inner(request), agent)):
        failure = perform(Ports(port))(CALL).observation.failure
        assert "drive it with aconverse or converse_all" in failure.detail


def test_an_awaitable_that_is_no_coroutine_is_refused_too() -> None:
    class Promise:
        def __await__(self):
            yield

    failure = perform(Ports(lambda r: Promise()))(CALL).observation.failure
    assert "the port is async" in failure.detail


def test_a_plain_function_may_return_an_awaitable() -> None:
    hidden = partial(lambda answer, request: later(lambda r: answer)(request), "Hi.")
    assert not is_async(hidden)
    seen = asyncio.run(awaited(aperform(Ports(hidden)), CALL))
    assert seen.observation == AgentReplied(CALL.id, "Hi.")


def test_an_async_port_that_forgets_to_await_is_malformed() -> None:
    async def agent(request):
        return later(lambda r: "Hi.")(request)

    seen = asyncio.run(awaited(aperform(Ports(agent)), CALL))
    assert seen.observation.failure.kind == "malformed_reply"


def test_async_callables_of_every_kind_are_known_without_a_call() -> None:
    class Agent:
        async def __call__(self, request): ...

        async def reply(self, request): ...

    agent = Agent()
    for port in (later(print), agent, agent.reply, partial(agent.reply), Agent.reply):
        assert is_async(port)
    for port in (print, lambda: None, Agent, partial(print), None):
        assert not is_async(port)


def test_an_async_port_runs_in_the_loop_and_a_plain_one_in_a_daemon_of_its_own() -> None:
    places = []

    def agent(request):
        thread = threading.current_thread()
        places.append((thread, thread.name, thread.daemon))
        return "Hi."

    async def both():
        await aperform(Ports(later(agent)))(CALL)
        await aperform(Ports(agent))(CALL)

    asyncio.run(both())
    in_loop, in_thread = places
    assert in_loop[0] is threading.current_thread()
    assert in_thread[1:] == ("convsim refund/1 1/agent/0", True)


def test_context_variables_are_seen_in_the_thread() -> None:
    user = ContextVar("user")

    async def main():
        user.set("ada")
        return await aperform(Ports(lambda r: user.get()))(CALL)

    assert asyncio.run(main()).observation.text == "ada"


def test_ports_are_made_once_however_many_requests_come_first() -> None:
    made = []

    async def ports_of(session):
        made.append(session)
        await asyncio.sleep(0)
        return Ports(later(lambda r: "Hi."))

    async def main():
        performed = aperform_made(ports_of)
        return await asyncio.gather(performed(CALL), performed(CALL))

    one, other = asyncio.run(main())
    assert one == other
    assert made == [SESSION]


def test_one_performance_serves_many_requests_at_once() -> None:
    async def main():
        performed = aperform(Ports(later(lambda r: r.session.id)))
        calls = [CallAgent(CALL.id, Session(str(n)), CASE, SAID) for n in range(50)]
        return [seen.observation.text for seen in await asyncio.gather(*map(performed, calls))]

    assert asyncio.run(main()) == [str(n) for n in range(50)]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, pytest.fail.Exception])
def test_ctrl_c_and_its_like_are_no_failures(interrupt) -> None:
    def agent(request):
        raise interrupt

    with pytest.raises(interrupt):
        perform(Ports(agent))(CALL)
    with pytest.raises(interrupt):
        asyncio.run(awaited(aperform(Ports(agent)), CALL))
    with pytest.raises(interrupt):
        asyncio.run(awaited(aperform(Ports(later(agent))), CALL))


def test_a_time_limit_inside_an_agent_is_its_own_business() -> None:
    async def agent(request):
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "That took too long."

    async def main():
        seen = await aperform(Ports(agent))(CALL)
        assert asyncio.current_task().cancelling() == 0
        return seen.observation.text

    assert asyncio.run(main()) == "That took too long."


@pytest.mark.parametrize(
    "takes_it",
    [
        raising(OSError("connection aborted")),
        raising(SystemExit()),
        raising(asyncio.CancelledError()),
        lambda cancelled: None,
        lambda cancelled: later(lambda r: "Hi.")(CALL),
    ],
)
def test_however_a_port_takes_its_cancellation_it_is_no_failure_of_the_agent(takes_it) -> None:
    async def main():
        with pytest.raises(asyncio.CancelledError):
            await aperform(Ports(Cancelling(takes_it)))(CALL)

    asyncio.run(main())


def test_an_answer_given_despite_a_cancellation_is_kept() -> None:
    seen = asyncio.run(awaited(aperform(Ports(Cancelling(lambda error: "Hi."))), CALL))
    assert seen.observation == AgentReplied(CALL.id, "Hi.")


def test_a_port_s_own_cancellation_is_a_failure_even_in_a_task_that_was_cancelled_before() -> None:
    async def agent(request):
        raise asyncio.CancelledError

    async def main():
        asyncio.current_task().cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        return await aperform(Ports(agent))(CALL)

    async def in_a_task():
        return await asyncio.create_task(main())

    assert asyncio.run(in_a_task()).observation.failure.detail == "CancelledError"


def test_cancelling_leaves_a_blocked_thread_alone_and_closes_what_it_gives_later() -> None:
    inside, release, ended = threading.Event(), threading.Event(), threading.Event()

    def agent(request):
        inside.set()
        release.wait()
        answer = later(lambda r: "Hi.")(request)
        ended.set()
        return answer

    async def main():
        task = asyncio.create_task(awaited(aperform(Ports(agent)), CALL))
        await in_daemon("convsim test", inside.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        await in_daemon("convsim test", ended.wait)
        await asyncio.sleep(0.01)  # the dropped coroutine comes after the event

    asyncio.run(main())
