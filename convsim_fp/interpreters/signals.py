"""Ctrl-C and SIGTERM while a run has the main thread."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TypeVar

__all__ = ["first_signal", "heard"]

WAKING = 0.2  # seconds between looks for a signal

T = TypeVar("T")

DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


@contextmanager
def first_signal(tell: Callable[[str], object]) -> Generator[None]:
    """Call a function with the name of the first signal; the second is Python's or the caller's.

    Outside of the main thread, and where the program has handlers of its own, nothing changes. The
    exception is a main thread whose event loop waits for us: its handlers could not run.
    """
    found = {number: signal.getsignal(number) for number in DEFAULTS} if _in_main_thread() else {}
    waits = _in_a_loop()
    ours = {n: was for n, was in found.items() if was is DEFAULTS[n] or (waits and callable(was))}

    def give_back() -> None:
        for number, was in ours.items():
            if signal.getsignal(number) is handle:  # somebody's code may have set another
                signal.signal(number, was)

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        give_back()
        tell(signal.Signals(number).name)

    for number in ours:
        signal.signal(number, handle)
    try:
        yield
    finally:
        give_back()


def heard(queue: SimpleQueue[T]) -> T:
    """Wait for an item, and for signals.

    On Windows, and where another thread receives it, a signal does not wake a main thread that
    waits; so it wakes by itself now and then.
    """
    while True:
        with suppress(Empty):
            return queue.get(timeout=WAKING)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
