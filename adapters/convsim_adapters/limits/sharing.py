"""One limit for several processes: each keeps its part, and tells the others what it learns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress

from attrs import Factory, define

from convsim_adapters.limits.allowed import Signal
from convsim_adapters.limits.limiter import Limiter, nobody

__all__ = ["Sharing"]


@define(eq=False)
class Sharing:
    """The part of one process in the limits: one of so many `parts`, which may change.

    `tell` is given what the others should `hear`, in the run's loop; it must not wait. `hear` and
    `share` may be called from any thread. What is heard before the run has begun is not kept.
    """

    parts: int = 1
    tell: Callable[[Signal], object] = nobody
    _loop: asyncio.AbstractEventLoop | None = None
    _limiters: Mapping[str, Limiter] = Factory(dict[str, Limiter])

    @contextmanager
    def among(self, limiters: Mapping[str, Limiter]) -> Generator[None]:
        """The running loop's limiters by their keys, which hear the others within the block."""
        self._limiters = limiters
        self._loop = asyncio.get_running_loop()  # first: a number that changes now is not missed
        self._share()
        try:
            yield
        finally:
            self._loop = None

    def hear(self, signal: Signal) -> None:
        """Another process tells what it learned of a model."""
        self._in_loop(lambda: self._hear(signal))

    def share(self, parts: int) -> None:
        """The limits have so many parts from now on: a process has ended, or joined."""
        self.parts = parts
        self._in_loop(self._share)

    def _hear(self, signal: Signal) -> None:
        limiter = self._limiters.get(signal.model)
        if limiter is not None:
            limiter.hear(signal)

    def _share(self) -> None:
        for limiter in self._limiters.values():
            limiter.share(self.parts)

    def _in_loop(self, told: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it was closed just now
                loop.call_soon_threadsafe(told)
