"""When a request began and how long it took, as composition: ``clocked(perform(ports))``."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, time
from typing import TypeAlias

from convsim_fp.core.requests import Request
from convsim_fp.interpreters.perform import APerform, Perform
from convsim_fp.interpreters.ports import Observed

__all__ = ["Clock", "aclocked", "clocked"]

Clock: TypeAlias = Callable[[], float]


def clocked(perform: Perform, *, now: Clock = time, watch: Clock = perf_counter) -> Perform:
    """Put into the facts when each request began and how long it took, unless its port did.

    `now` gives seconds since 1970, `watch` seconds that nobody sets back.
    """

    def performed(request: Request) -> Observed:
        start, begun = now(), watch()
        observed = perform(request)
        return _timed(observed, start, watch() - begun)

    return performed


def aclocked(perform: APerform, *, now: Clock = time, watch: Clock = perf_counter) -> APerform:
    """`clocked` for coroutine functions."""

    async def performed(request: Request) -> Observed:
        start, begun = now(), watch()
        observed = await perform(request)
        return _timed(observed, start, watch() - begun)

    return performed


def _timed(observed: Observed, start: float, seconds: float) -> Observed:
    facts = observed.facts
    if facts.start is not None or facts.seconds is not None:
        return observed
    return Observed(observed.observation, facts.timed(start, seconds))
