"""What the interpreters share: taking in an answer, and booking what nobody waits for."""

from __future__ import annotations

from collections.abc import Iterable

from convsim_fp.core.machine import step as next_step
from convsim_fp.core.observations import Failed, Failure, Interrupted
from convsim_fp.core.requests import Request
from convsim_fp.core.state import Rules, Step
from convsim_fp.interpreters.ports import Entry, Observed, Sink

__all__ = ["forget", "interrupt", "take"]


def take(rules: Rules, step: Step, request: Request, observed: Observed, sink: Sink) -> Step:
    """Record an answer, then step; one that nobody waits for any more is recorded as wasted.

    An `Interrupted` in place of an answer (what was performed says that the run must stop) stops
    the conversation; with no attempt among its facts the request was never sent.
    """
    if isinstance(observed.observation, Interrupted):
        if observed.facts.attempts:
            forget(step, (request,), sink)
        return interrupt(rules, step, observed.observation, sink)
    wasted = all(request.id != listed.id for listed in step.requests)
    sink(Entry(step.state.session, request, observed, wasted))
    return step if wasted else next_step(rules, step.state, observed.observation)


def interrupt(rules: Rules, step: Step, why: Interrupted, sink: Sink) -> Step:
    """Record an interruption, then stop; of a conversation that has ended nothing is recorded."""
    if step.requests:
        sink(Entry(step.state.session, None, Observed(why)))
    return next_step(rules, step.state, why)


def forget(step: Step, requests: Iterable[Request], sink: Sink) -> None:
    """Record as wasted what was asked and not answered before the conversation ended."""
    for request in requests:
        failure = Failure("forgotten", "the conversation ended before the answer came")
        sink(Entry(step.state.session, request, Observed(Failed(request.id, failure)), wasted=True))
