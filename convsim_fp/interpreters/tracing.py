"""A tracer around each request, as composition: ``traced(perform(ports), tracer)``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager

from convsim_fp.core.requests import Request
from convsim_fp.interpreters.answers import TROUBLE
from convsim_fp.interpreters.perform import APerform, Perform
from convsim_fp.interpreters.ports import Observed, Tracer

__all__ = ["atraced", "traced"]

log = logging.getLogger("convsim_fp")


def traced(perform: Perform, tracer: Tracer) -> Perform:
    """Open the tracer around each request. Its failures are logged and go no further.

    >>> from convsim_fp import Ports, perform
    >>> from contextlib import nullcontext
    >>> performed = traced(perform(Ports(print)), lambda request: nullcontext(print))
    """

    def performed(request: Request) -> Observed:
        with _guarded(tracer, request) as tell:
            observed = perform(request)
            tell(observed)
            return observed

    return performed


def atraced(perform: APerform, tracer: Tracer) -> APerform:
    """`traced` for coroutine functions; of a cancelled request the tracer is told nothing."""

    async def performed(request: Request) -> Observed:
        with _guarded(tracer, request) as tell:
            observed = await perform(request)
            tell(observed)
            return observed

    return performed


@contextmanager
def _guarded(tracer: Tracer, request: Request) -> Generator[Callable[[Observed], object]]:
    try:
        span = tracer(request)
        tell = span.__enter__()
    except TROUBLE:
        log.warning("the tracer failed before %s", _place(request), exc_info=True)
        yield lambda observed: observed
        return

    def told(observed: Observed) -> None:
        try:
            tell(observed)
        except TROUBLE:
            where = _place(request)
            log.warning("the tracer failed to take the answer to %s", where, exc_info=True)

    try:
        yield told
    finally:
        try:
            span.__exit__(None, None, None)
        except TROUBLE:
            log.warning("the tracer failed after %s", _place(request), exc_info=True)


def _place(request: Request) -> str:
    return ", ".join(filter(None, (request.session.id, request.id.words)))
