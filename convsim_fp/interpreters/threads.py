"""The synchronous interpreter: one conversation, in the calling thread where one request is out."""

from __future__ import annotations

from functools import partial
from queue import SimpleQueue
from typing import TypeAlias

from convsim_fp.core.observations import Interrupted
from convsim_fp.core.requests import Request, RequestId
from convsim_fp.core.state import Rules, State, Step
from convsim_fp.interpreters.daemons import Outcome, start_daemon
from convsim_fp.interpreters.drive import forget, interrupt, take
from convsim_fp.interpreters.interruption import RunInterrupted, Signalled, signal_of
from convsim_fp.interpreters.perform import Perform, thread_name
from convsim_fp.interpreters.ports import Observed, Sink, no_sink
from convsim_fp.interpreters.signals import first_signal, heard

__all__ = ["converse"]

Answers: TypeAlias = SimpleQueue[tuple[Request, Outcome[Observed]]]


def converse(rules: Rules, begun: Step, perform: Perform, *, sink: Sink = no_sink) -> State:
    """Drive a conversation to its end, from a fresh step or from a resumed one.

    Every answer reaches the sink before anything that follows from it is asked. Raises
    `RunInterrupted` with the cancelled state on Ctrl-C and SIGTERM, and what the sink raises.

    >>> from convsim_fp import Ports, TestCase, perform, start, users
    >>> rules = Rules(users.scripted(["Hello."]), None)
    >>> ports = Ports(agent=lambda request: "Hi.")
    >>> converse(rules, start(rules, TestCase(goal="greet")), perform(ports)).transcript[1].text
    'Hi.'
    """
    step = begun
    asked: dict[RequestId, Request] = {}
    answers: Answers = SimpleQueue()
    signals: list[str] = []
    try:
        with first_signal(partial(_raise, signals)):
            while step.requests:
                fresh = [request for request in step.requests if request.id not in asked]
                asked |= {request.id: request for request in fresh}
                if len(asked) == len(fresh) == 1:  # nothing to overlap with: no thread needed
                    answered, observed = fresh[0], perform(fresh[0])
                else:
                    for request in fresh:
                        deliver = partial(_deliver, answers, request)
                        start_daemon(thread_name(request), partial(perform, request), deliver)
                    answered, observed = _answer(answers)
                step = take(rules, step, answered, observed, sink)
                del asked[answered.id]
                if signals:  # somebody's code caught it and went on
                    raise Signalled(signals[0])
    except KeyboardInterrupt as error:
        signal = signal_of(error)
        step = interrupt(rules, step, Interrupted("cancelled", signal), sink)
        forget(step, asked.values(), sink)
        raise RunInterrupted([step.state], signal) from None
    forget(step, asked.values(), sink)
    return step.state


def _deliver(answers: Answers, request: Request, outcome: Outcome[Observed]) -> None:
    answers.put((request, outcome))


def _answer(answers: Answers) -> tuple[Request, Observed]:
    request, outcome = heard(answers)
    if isinstance(outcome, BaseException):
        raise outcome
    return request, outcome.value


def _raise(signals: list[str], signal: str) -> None:
    signals.append(signal)
    raise Signalled(signal)
