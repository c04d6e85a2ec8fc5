"""What the interpreters share: taking in an answer, and booking what nobody waits for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from convsim_fp.core.machine import step as next_step
from convsim_fp.core.observations import Failed, Failure, Interrupted
from convsim_fp.core.requests import Request, RequestId
from convsim_fp.core.state import Rules, Step
from convsim_fp.interpreters.ports import NO_FACTS, Entry, Facts, Observed, Sink

__all__ = ["forget", "interrupt", "take"]

NOTHING: Mapping[RequestId, Facts] = MappingProxyType({})


def take(rules: Rules, step: Step, request: Request, observed: Observed, sink: Sink) -> Step:
    """Record an answer, then step; one that nobody waits for any more is recorded as wasted.

    An `Interrupted` in place of an answer (what was performed says that the run must stop) stops
    the conversation; with no attempt among its facts the request was never sent.
    """
    if isinstance(observed.observation, Interrupted):
        if observed.facts.attempts:
            forget(step, (request,), sink, {request.id: observed.facts})
        return interrupt(rules, step, observed.observation, sink)
    wasted = all(request.id != listed.id for listed in step.requests)
    sink(Entry(step.state.session, request, observed, wasted))
    return step if wasted else next_step(rules, step.state, observed.observation)


def interrupt(rules: Rules, step: Step, why: Interrupted, sink: Sink) -> Step:
    """Record an interruption, then stop; of a conversation that has ended nothing is recorded."""
    if step.requests:
        sink(Entry(step.state.session, None, Observed(why)))
    return next_step(rules, step.state, why)


def forget(
    step: Step, requests: Iterable[Request], sink: Sink, spent: Mapping[RequestId, Facts] = NOTHING
) -> None:
    """Record as wasted what was asked and not answered before the conversation ended.

    `spent` are the facts of those that tell what they had cost by then.
    """
    for request in requests:
        failure = Failure("forgotten", "the conversation ended before the answer came")
        observed = Observed(Failed(request.id, failure), spent.get(request.id, NO_FACTS))
        sink(Entry(step.state.session, request, observed, wasted=True))
