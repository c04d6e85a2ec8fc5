"""Calling code that blocks, each call in a daemon thread of its own.

A thread inside somebody's agent cannot be stopped. A daemon at least holds up neither the other
sessions nor the end of the process; the pools of the standard library wait for theirs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

__all__ = ["THREAD_PREFIX", "in_daemon", "left_behind", "start_daemon"]

THREAD_PREFIX = "convsim"

T = TypeVar("T")


def start_daemon(name: str, call: Callable[[], None]) -> None:
    """Run a call in a daemon thread that sees the caller's context variables."""
    run = copy_context().run
    threading.Thread(target=run, args=(call,), name=name, daemon=True).start()


async def in_daemon(name: str, call: Callable[[], T]) -> T:
    """Await a blocking call. When cancelled, the thread goes on alone and its result is dropped."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def called() -> None:
        result, error = None, None
        try:
            result = call()
        except BaseException as raised:  # noqa: BLE001  it is raised again where it is awaited
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    start_daemon(name, called)
    return await future


def left_behind() -> tuple[str, ...]:
    """The names of our threads that are still inside somebody's code."""
    return tuple(
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith(THREAD_PREFIX + " ")
    )
