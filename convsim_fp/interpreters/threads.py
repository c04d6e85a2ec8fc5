"""The synchronous interpreter: one conversation, in the calling thread where one request is out."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

from convsim_fp.core.observations import Interrupted
from convsim_fp.core.requests import Request, RequestId
from convsim_fp.core.state import Rules, State, Step
from convsim_fp.interpreters.daemons import THREAD_PREFIX, start_daemon
from convsim_fp.interpreters.drive import RunInterrupted, forget, interrupt, no_sink, take
from convsim_fp.interpreters.perform import Perform
from convsim_fp.interpreters.ports import Observed, Sink

__all__ = ["converse"]

Answers: TypeAlias = SimpleQueue[tuple[Request, Observed | BaseException]]


def converse(rules: Rules, begun: Step, perform: Perform, *, sink: Sink = no_sink) -> State:
    """Drive a conversation to its end, from a fresh step or from a resumed one.

    Every answer reaches the sink before anything that follows from it is asked. Raises
    `RunInterrupted` with the cancelled state on Ctrl-C, and what the sink raises.
    """
    step = begun
    flying: dict[RequestId, Request] = {}
    answers: Answers = SimpleQueue()
    try:
        while step.requests:
            fresh = [request for request in step.requests if request.id not in flying]
            if len(step.requests) == len(fresh) == 1:  # nothing to overlap with: no thread needed
                step = take(rules, step, fresh[0], perform(fresh[0]), sink)
                continue
            flying |= {request.id: request for request in fresh}
            for request in fresh:
                name = f"{THREAD_PREFIX} {request.session.id} {request.id}"
                start_daemon(name, _answering(request, perform, answers))
            answered, observed = answers.get()
            del flying[answered.id]
            if isinstance(observed, BaseException):
                raise observed
            step = take(rules, step, answered, observed, sink)
    except KeyboardInterrupt:
        step = interrupt(rules, step, Interrupted("cancelled", "Ctrl-C"), sink)
        forget(step, flying.values(), sink)
        raise RunInterrupted([step.state]) from None
    forget(step, flying.values(), sink)
    return step.state


def _answering(request: Request, perform: Perform, answers: Answers) -> Callable[[], None]:
    def answer() -> None:
        try:
            answers.put((request, perform(request)))
        except BaseException as error:  # noqa: BLE001  it is raised again in the calling thread
            answers.put((request, error))

    return answer
