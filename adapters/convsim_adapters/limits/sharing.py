"""One limit for several processes: each keeps its part, and tells the others what it learns."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from time import monotonic

from attrs import Factory, define, evolve

from convsim_adapters.limits.allowed import Signal
from convsim_adapters.limits.limiter import Limiter, nobody
from convsim_adapters.limits.rates import Leave, SharedMinute

__all__ = ["Sharing"]


@define(eq=False)
class Sharing:
    """The part of one process in the limits: one of so many `parts`, which may change.

    `tell` is given what the others should `hear`, in the run's loop; it must not wait. `minute` is
    that of the run, where it has a rate. `hear`, `given` and `share` may be called from any thread;
    what is heard before the run has begun is kept until then.
    """

    parts: int = 1
    tell: Callable[[Signal], object] = nobody
    minute: SharedMinute | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _limiters: Mapping[str, Limiter] = Factory(dict[str, Limiter])
    _early: deque[tuple[Signal, float]] = Factory(deque[tuple[Signal, float]])

    @contextmanager
    def among(self, limiters: Mapping[str, Limiter]) -> Generator[None]:
        """The running loop's limiters by their keys, which hear the others within the block."""
        self._limiters = limiters
        self._loop = asyncio.get_running_loop()  # first: a number that changes now is not missed
        self._share()
        while self._early:
            self._hear(*self._early.popleft())
        try:
            yield
        finally:
            self._loop = None

    def hear(self, signal: Signal) -> None:
        """Another process tells what it learned of a model."""
        heard = monotonic()
        if self._loop is None:
            self._early.append((signal, heard))
        self._in_loop(lambda: self._hear(signal, heard))

    def given(self, leave: Leave) -> None:
        """There is room for a request in the minute of the run."""
        self._in_loop(lambda: self._give(leave))

    def share(self, parts: int) -> None:
        """The limits have so many parts from now on: a process has ended, or joined."""
        self.parts = parts
        self._in_loop(self._share)

    def _hear(self, signal: Signal, heard: float) -> None:
        limiter = self._limiters.get(signal.model)
        if limiter is not None:
            left = max(0.0, signal.seconds - (monotonic() - heard))
            limiter.hear(evolve(signal, seconds=left))

    def _give(self, leave: Leave) -> None:
        limiter = self._limiters.get(leave.model)
        if limiter is not None:
            limiter.given(leave)

    def _share(self) -> None:
        for limiter in self._limiters.values():
            limiter.share(self.parts)

    def _in_loop(self, told: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it was closed just now
                loop.call_soon_threadsafe(told)
