"""What the interpreters share: taking in an answer, and how a run ends before its time."""

from __future__ import annotations

from collections.abc import Iterable

from convsim_fp.core.machine import step as next_step
from convsim_fp.core.observations import Failed, Failure, Interrupted
from convsim_fp.core.requests import Request
from convsim_fp.core.state import Rules, State, Step
from convsim_fp.interpreters.daemons import left_behind
from convsim_fp.interpreters.ports import Entry, Observed, Sink

__all__ = ["RunInterrupted", "forget", "interrupt", "no_sink", "take"]


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended a run; `states` holds every session, the unfinished as cancelled."""

    def __init__(self, states: Iterable[State], signal: str = "SIGINT") -> None:
        self.states = tuple(states)
        self.signal = signal
        self.threads = left_behind()
        inside = f"; still inside the agent or a model: {', '.join(self.threads)}"
        super().__init__(f"interrupted by {signal}{inside if self.threads else ''}")


def take(rules: Rules, step: Step, request: Request, observed: Observed, sink: Sink) -> Step:
    """Record an answer, then step; one that nobody waits for any more is recorded as wasted."""
    wasted = all(request.id != listed.id for listed in step.requests)
    sink(Entry(step.state.session, request, observed, wasted))
    return step if wasted else next_step(rules, step.state, observed.observation)


def interrupt(rules: Rules, step: Step, why: Interrupted, sink: Sink) -> Step:
    """Record an interruption, then stop."""
    if step.requests:
        sink(Entry(step.state.session, None, Observed(why)))
    return next_step(rules, step.state, why)


def forget(step: Step, requests: Iterable[Request], sink: Sink) -> None:
    """Record as wasted what was asked and is not waited for."""
    for request in requests:
        failure = Failure("forgotten", "the conversation did not need the answer")
        sink(Entry(step.state.session, request, Observed(Failed(request.id, failure)), wasted=True))


def no_sink(entry: Entry) -> None:
    """Keep nothing."""
    del entry
