"""Calling code that blocks, each call in a daemon thread of its own.

A thread inside somebody's agent cannot be stopped. A daemon at least holds up neither the other
sessions nor the end of the process; the pools of the standard library wait for theirs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Generic, ParamSpec, TypeVar

from attrs import frozen

from convsim_fp.interpreters.answers import close

__all__ = [
    "INSIDE",
    "RUN_THREAD",
    "THREAD_PREFIX",
    "DaemonExecutor",
    "in_daemon",
    "left_behind",
    "start_daemon",
]

THREAD_PREFIX = "convsim"
RUN_THREAD = f"{THREAD_PREFIX} run"

INSIDE = ContextVar("INSIDE", default=RUN_THREAD)  # whose code runs: names the threads it starts

P = ParamSpec("P")
T = TypeVar("T")


@frozen
class _Returned(Generic[T]):
    value: T


def start_daemon(name: str, call: Callable[[], None]) -> None:
    """Run a call in a daemon thread that sees the caller's context variables."""
    run = copy_context().run
    threading.Thread(target=run, args=(call,), name=name, daemon=True).start()


async def in_daemon(name: str, call: Callable[[], T]) -> T:
    """Await a blocking call. When cancelled, the thread goes on alone and its result is dropped."""
    loop = asyncio.get_running_loop()
    # Holds an exception as a value: a future complains of one that nobody takes.
    future: asyncio.Future[_Returned[T] | BaseException] = loop.create_future()

    def settle(outcome: _Returned[T] | BaseException) -> None:
        if future.done():
            _drop(outcome)
        else:
            future.set_result(outcome)

    def called() -> None:
        outcome: _Returned[T] | BaseException
        try:
            outcome = _Returned(call())
        except BaseException as error:  # noqa: BLE001  it is raised again where it is awaited
            outcome = error
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:  # the loop is closed: nobody waits any more
            _drop(outcome)

    start_daemon(name, called)
    outcome = await future
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome.value


def _drop(outcome: _Returned[T] | BaseException) -> None:
    if isinstance(outcome, _Returned):
        close(outcome.value)


class DaemonExecutor(ThreadPoolExecutor):
    """The default executor of our own loops, so that `asyncio.to_thread` in an agent delays nobody.

    A daemon for each call, named after the request; closing it waits for none.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start the call at once."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # it begins at once, so nobody can call it off

        def called() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  it is raised again where it is awaited
                future.set_exception(error)
            else:
                future.set_result(result)

        start_daemon(INSIDE.get(), called)
        return future


def left_behind(sessions: Iterable[str]) -> tuple[str, ...]:
    """The names of the threads that are still inside somebody's code for these sessions."""
    theirs = {f"{THREAD_PREFIX} {session}" for session in sessions}
    names = (thread.name for thread in threading.enumerate())
    return tuple(name for name in names if name.rpartition(" ")[0] in theirs)
