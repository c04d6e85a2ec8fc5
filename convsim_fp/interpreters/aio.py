"""The asyncio interpreter: one conversation as a coroutine."""

from __future__ import annotations

import asyncio

from convsim_fp.core.observations import Interrupted
from convsim_fp.core.requests import Request
from convsim_fp.core.state import Rules, State, Step
from convsim_fp.interpreters.drive import forget, interrupt, no_sink, take
from convsim_fp.interpreters.perform import APerform
from convsim_fp.interpreters.ports import Observed, Sink

__all__ = ["ConversationCancelled", "aconverse"]


class ConversationCancelled(asyncio.CancelledError):
    """The task that drove a conversation was cancelled; `state` is where it stopped."""

    def __init__(self, state: State) -> None:
        self.state = state
        super().__init__()


async def aconverse(rules: Rules, begun: Step, perform: APerform, *, sink: Sink = no_sink) -> State:
    """Drive a conversation to its end, from a fresh step or from a resumed one.

    Every answer reaches the sink before anything that follows from it is asked; requests that are
    no longer waited for are cancelled. When its task is cancelled it raises `ConversationCancelled`
    with the state; an `Interrupted` as the message of ``task.cancel`` is the reason it stops for.
    """
    step = begun
    flying: dict[asyncio.Task[Observed], Request] = {}
    try:
        while step.requests:
            asked = {request.id for request in flying.values()}
            fresh = [request for request in step.requests if request.id not in asked]
            if len(step.requests) == len(fresh) == 1:  # nothing to overlap with: no task needed
                step = take(rules, step, fresh[0], await perform(fresh[0]), sink)
                continue
            flying |= {asyncio.create_task(_answer(perform, request)): request for request in fresh}
            done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in flying if task in done]:
                step = take(rules, step, flying.pop(task), task.result(), sink)
    except asyncio.CancelledError as error:
        step = interrupt(rules, step, _reason(error), sink)
        raise ConversationCancelled(step.state) from None
    finally:
        for task in flying:
            task.cancel()
        forget(step, flying.values(), sink)
        await asyncio.gather(*flying, return_exceptions=True)
    return step.state


async def _answer(perform: APerform, request: Request) -> Observed:
    return await perform(request)


def _reason(error: asyncio.CancelledError) -> Interrupted:
    for message in error.args:
        if isinstance(message, Interrupted):
            return message
    return Interrupted("cancelled", "the task was cancelled")
