"""Calling code that blocks, each call in a daemon thread that has nothing else to do.

A thread inside somebody's agent cannot be stopped. A daemon at least holds up neither the other
sessions nor the end of the process; the pools of the standard library wait for theirs. A thread
that is done waits for the next call for a while, since starting one costs a millisecond of waiting.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, ParamSpec, TypeAlias, TypeVar

from attrs import frozen

from convsim_fp.interpreters.answers import close

__all__ = [
    "IDLE",
    "INSIDE",
    "RUN_THREAD",
    "THREAD_PREFIX",
    "DaemonExecutor",
    "Outcome",
    "Returned",
    "in_daemon",
    "left_behind",
    "start_daemon",
]

THREAD_PREFIX = "convsim"
RUN_THREAD = f"{THREAD_PREFIX} run"

# Whose code runs: as text it names the threads that it starts, which few do.
INSIDE: ContextVar[object] = ContextVar("INSIDE", default=RUN_THREAD)

P = ParamSpec("P")
T = TypeVar("T")


@frozen
class Returned(Generic[T]):
    """What a call gave; an exception stands for itself."""

    value: T


Outcome: TypeAlias = Returned[T] | BaseException


def start_daemon(name: str, call: Callable[[], T], deliver: Callable[[Outcome[T]], object]) -> None:
    """Make a call in a daemon thread, which then delivers what it returned or raised.

    It sees the caller's context variables. The name is the thread's as long as it is inside.
    """

    def called() -> None:
        outcome: Outcome[T]
        try:
            outcome = Returned(call())
        except BaseException as error:  # noqa: BLE001  whoever waits for it raises it again
            outcome = error
        threading.current_thread().name = THREAD_PREFIX
        deliver(outcome)

    run = partial(copy_context().run, called)
    try:
        worker = IDLE.pop()
    except IndexError:
        worker = Worker(name)
        worker.start()
    worker.name = name
    worker.calls.put(run)


class Worker(threading.Thread):
    """A daemon that makes one call after another, and goes when none comes for a while."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def run(self) -> None:
        """Make calls."""
        while self._made_one():
            IDLE.append(self)

    def _made_one(self) -> bool:
        while True:
            try:
                self.calls.get(timeout=PATIENCE)()
            except Empty:
                try:
                    IDLE.remove(self)
                except ValueError:  # somebody has just taken it, and brings a call
                    continue
                return False
            return True


IDLE: deque[Worker] = deque()  # who takes one out has to give it a call
PATIENCE = 1.0  # seconds that an idle one waits
if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=IDLE.clear)  # which takes no threads along


async def in_daemon(name: str, call: Callable[[], T]) -> T:
    """Await a blocking call. When cancelled, the thread goes on alone and its result is dropped."""
    loop = asyncio.get_running_loop()
    # Holds an exception as a value: a future complains of one that nobody takes.
    future: asyncio.Future[Outcome[T]] = loop.create_future()

    def settle(outcome: Outcome[T]) -> None:
        if future.done():
            _drop(outcome)
        else:
            future.set_result(outcome)

    def deliver(outcome: Outcome[T]) -> None:
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:  # the loop is closed: nobody waits any more
            _drop(outcome)

    start_daemon(name, call, deliver)
    outcome = await future
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome.value


def _drop(outcome: Outcome[T]) -> None:
    if isinstance(outcome, Returned):
        close(outcome.value)


class DaemonExecutor(ThreadPoolExecutor):
    """The default executor of our own loops, so that `asyncio.to_thread` in an agent delays nobody.

    A daemon for each call, named after the request; closing it waits for none.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start the call at once."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # it begins at once, so nobody can call it off

        def deliver(outcome: Outcome[T]) -> None:
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome.value)

        start_daemon(str(INSIDE.get()), partial(fn, *args, **kwargs), deliver)
        return future


def left_behind(sessions: Iterable[str]) -> tuple[str, ...]:
    """The names of the threads that are still inside somebody's code for these sessions."""
    theirs = {f"{THREAD_PREFIX} {session}" for session in sessions}
    names = (thread.name for thread in threading.enumerate())
    return tuple(name for name in names if name.rpartition(" ")[0] in theirs)
