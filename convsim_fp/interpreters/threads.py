"""The synchronous interpreter: one conversation, in the calling thread where one request is out."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

from convsim_fp.core.observations import Interrupted
from convsim_fp.core.requests import Request, RequestId
from convsim_fp.core.state import Rules, State, Step
from convsim_fp.interpreters.daemons import start_daemon
from convsim_fp.interpreters.drive import forget, interrupt, take
from convsim_fp.interpreters.interruption import RunInterrupted, Signalled, signal_of
from convsim_fp.interpreters.perform import Perform, thread_name
from convsim_fp.interpreters.ports import Observed, Sink, no_sink
from convsim_fp.interpreters.signals import first_signal, heard

__all__ = ["converse"]

Answers: TypeAlias = SimpleQueue[tuple[Request, Observed | BaseException]]


def converse(rules: Rules, begun: Step, perform: Perform, *, sink: Sink = no_sink) -> State:
    """Drive a conversation to its end, from a fresh step or from a resumed one.

    Every answer reaches the sink before anything that follows from it is asked. Raises
    `RunInterrupted` with the cancelled state on Ctrl-C and SIGTERM, and what the sink raises.
    """
    step = begun
    asked: dict[RequestId, Request] = {}
    answers: Answers = SimpleQueue()
    try:
        with first_signal(_raise):
            while step.requests:
                fresh = [request for request in step.requests if request.id not in asked]
                asked |= {request.id: request for request in fresh}
                if len(asked) == len(fresh) == 1:  # nothing to overlap with: no thread needed
                    answered, observed = fresh[0], perform(fresh[0])
                else:
                    for request in fresh:
                        start_daemon(thread_name(request), _answering(request, perform, answers))
                    answered, observed = _answer(answers)
                step = take(rules, step, answered, observed, sink)
                del asked[answered.id]
    except KeyboardInterrupt as error:
        signal = signal_of(error)
        step = interrupt(rules, step, Interrupted("cancelled", signal), sink)
        forget(step, asked.values(), sink)
        raise RunInterrupted([step.state], signal) from None
    forget(step, asked.values(), sink)
    return step.state


def _answering(request: Request, perform: Perform, answers: Answers) -> Callable[[], None]:
    def answer() -> None:
        try:
            answers.put((request, perform(request)))
        except BaseException as error:  # noqa: BLE001  it is raised again in the calling thread
            answers.put((request, error))

    return answer


def _answer(answers: Answers) -> tuple[Request, Observed]:
    request, observed = heard(answers)
    if isinstance(observed, BaseException):
        raise observed
    return request, observed


def _raise(signal: str) -> None:
    raise Signalled(signal)
