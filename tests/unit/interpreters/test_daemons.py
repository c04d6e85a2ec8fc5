import asyncio
import os
import subprocess
import sys
import threading
import time
from contextvars import ContextVar

import pytest

from convsim_fp.interpreters.daemons import IDLE, INSIDE, DaemonExecutor, in_daemon, left_behind


def where():
    thread = threading.current_thread()
    return thread, thread.name, thread.daemon


def test_a_blocking_call_is_awaited_in_a_daemon_that_has_its_name_while_it_is_inside() -> None:
    thread, name, daemon = asyncio.run(in_daemon("convsim test", where))
    assert (name, daemon) == ("convsim test", True)
    assert thread.name == "convsim"


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_it_raises_is_raised_where_it_is_awaited(error) -> None:
    def call():
        raise error

    async def main():
        with pytest.raises(error):
            await in_daemon("convsim test", call)

    asyncio.run(main())


def test_stop_iteration_arrives_as_python_has_it() -> None:
    async def main():
        with pytest.raises(RuntimeError, match="StopIteration"):
            await in_daemon("convsim test", lambda: next(iter(())))

    asyncio.run(main())


class Held:
    """A call in a thread that ends when it is let go."""

    def __init__(self, gives=None):
        self.inside, self.release, self.gives = threading.Event(), threading.Event(), gives

    def __call__(self):
        self.inside.set()
        self.release.wait()
        return self.gives() if self.gives else None


async def never():
    raise AssertionError("nobody awaits this")


def thread_named(name):
    return next(thread for thread in threading.enumerate() if thread.name == name)


def until_idle(thread):
    """Wait until it has delivered, and takes other calls."""
    while thread not in IDLE:
        time.sleep(0.001)


def test_a_coroutine_that_comes_after_its_caller_has_gone_is_closed() -> None:
    held = Held(gives=never)

    async def main():
        task = asyncio.create_task(in_daemon("convsim late", held))
        await asyncio.to_thread(held.inside.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        thread = thread_named("convsim late")
        held.release.set()
        await asyncio.to_thread(until_idle, thread)
        await asyncio.sleep(0)

    asyncio.run(main())


def test_a_coroutine_that_comes_after_its_loop_has_gone_is_closed() -> None:
    held = Held(gives=never)

    async def main():
        task = asyncio.create_task(in_daemon("convsim later", held))
        await asyncio.to_thread(held.inside.wait)
        task.cancel()

    asyncio.run(main())
    thread = thread_named("convsim later")
    held.release.set()
    until_idle(thread)


def test_an_error_that_comes_after_its_caller_has_gone_is_dropped() -> None:
    def fails():
        raise ValueError

    held = Held(gives=fails)

    async def main():
        task = asyncio.create_task(in_daemon("convsim last", held))
        await asyncio.to_thread(held.inside.wait)
        task.cancel()

    asyncio.run(main())
    thread = thread_named("convsim last")
    held.release.set()
    until_idle(thread)


def test_to_thread_runs_in_daemons_named_after_the_request() -> None:
    async def main():
        asyncio.get_running_loop().set_default_executor(DaemonExecutor())
        INSIDE.set("convsim refund/1 1/agent/0")
        return await asyncio.to_thread(where)

    _, name, daemon = asyncio.run(main())
    assert (name, daemon) == ("convsim refund/1 1/agent/0", True)


def test_the_executor_carries_results_errors_and_context() -> None:
    user = ContextVar("user")

    def fails():
        raise LookupError("no order")

    async def main():
        asyncio.get_running_loop().set_default_executor(DaemonExecutor())
        user.set("ada")
        assert await asyncio.to_thread(user.get) == "ada"
        assert await asyncio.to_thread(int, "ff", base=16) == 255
        with pytest.raises(LookupError, match="no order"):
            await asyncio.to_thread(fails)

    asyncio.run(main())


def test_a_loop_with_the_executor_closes_while_a_call_is_still_inside() -> None:
    held = Held()

    async def main():
        asyncio.get_running_loop().set_default_executor(DaemonExecutor())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(held), 0.01)

    asyncio.run(main())
    held.release.set()


def test_threads_are_told_apart_by_their_session() -> None:
    held = Held()

    async def main():
        names = ["convsim a/1 1/agent/0", "convsim a/11 1/agent/0", "convsim b c/1 2/user/0"]
        tasks = [asyncio.create_task(in_daemon(name, held)) for name in names]
        await asyncio.sleep(0)
        assert left_behind(["a/1"]) == (names[0],)
        assert sorted(left_behind(["b c/1", "a/11", "unknown/1"])) == sorted(names[1:])
        assert left_behind([]) == ()
        held.release.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_a_thread_that_is_done_takes_the_next_call() -> None:
    def call():
        return threading.get_ident()

    async def one_after_another():
        seen = set()
        for number in range(20):
            seen.add(await in_daemon(f"convsim s/{number} 1/agent/0", call))
            await asyncio.sleep(0.001)  # it is idle a moment after it has delivered
        return seen

    assert len(asyncio.run(one_after_another())) < 20


def test_a_call_never_waits_for_a_thread_that_is_busy() -> None:
    free = threading.Event()

    async def all_at_once():
        blocked = [asyncio.create_task(in_daemon(f"b{n}", free.wait)) for n in range(5)]
        await asyncio.sleep(0.01)
        try:
            return await in_daemon("last", lambda: "done")
        finally:
            free.set()
            await asyncio.gather(*blocked)

    assert asyncio.run(all_at_once()) == "done"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_does_not_wait_for_threads_of_its_parent() -> None:
    code = (
        "import asyncio, os, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "from convsim_fp.interpreters.daemons import in_daemon\n"
        "asyncio.run(in_daemon('a', int))\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(asyncio.run(in_daemon('b', lambda: 7)))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "7\n"
