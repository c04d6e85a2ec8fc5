"""The asyncio interpreter: one conversation as a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from convsim_fp.core.requests import Request, RequestId
from convsim_fp.core.state import Rules, State, Step
from convsim_fp.interpreters.drive import forget, interrupt, take
from convsim_fp.interpreters.interruption import ConversationCancelled, facts_behind, reason_of
from convsim_fp.interpreters.perform import APerform, cancels
from convsim_fp.interpreters.ports import NO_FACTS, Facts, Observed, Sink, no_sink

__all__ = ["aconverse"]


async def aconverse(rules: Rules, begun: Step, perform: APerform, *, sink: Sink = no_sink) -> State:
    """Drive a conversation to its end, from a fresh step or from a resumed one.

    Every answer reaches the sink before anything that follows from it is asked; requests that are
    no longer waited for are cancelled, and none outlives the call. Cancelling its task stops it; an
    `Interrupted` as the message of ``task.cancel`` is the reason. The state is then with the cause
    of the CancelledError: ``ConversationCancelled.behind(error)``.

    >>> from convsim_fp import Ports, TestCase, aperform, start, users
    >>> rules = Rules(users.scripted(["Hello."]), None)
    >>> begun = start(rules, TestCase(goal="greet"))
    >>> performed = aperform(Ports(agent=lambda request: "Hi."))
    >>> asyncio.run(aconverse(rules, begun, performed)).transcript[1].text
    'Hi.'
    """
    step = begun
    asked: dict[RequestId, Request] = {}
    tasks: dict[asyncio.Future[Observed], Request] = {}
    me = asyncio.current_task()
    before = cancels(me)
    try:
        while step.requests:
            fresh = [request for request in step.requests if request.id not in asked]
            asked |= {request.id: request for request in fresh}
            if len(asked) == len(fresh) == 1:  # nothing to overlap with: no task needed
                step = take(rules, step, fresh[0], await perform(fresh[0]), sink)
                del asked[fresh[0].id]
            else:
                tasks |= {asyncio.ensure_future(perform(one)): one for one in fresh}
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in tasks if task in done]:
                    request = tasks.pop(task)
                    step = take(rules, step, request, task.result(), sink)
                    del asked[request.id]
            _stop_if_cancelled_since(me, before)
    except asyncio.CancelledError as error:
        step = interrupt(rules, step, reason_of(error), sink)
        spent = dict.fromkeys(asked, facts_behind(error))
        with suppress(asyncio.CancelledError):  # a second one, which waits for nothing
            spent |= await _given_up(tasks)
        forget(step, asked.values(), sink, spent)
        raise error from ConversationCancelled(step.state)
    finally:
        spent = await _given_up(tasks)
    forget(step, asked.values(), sink, spent)
    return step.state


async def _given_up(tasks: Mapping[asyncio.Future[Observed], Request]) -> dict[RequestId, Facts]:
    """Cancel what is still out; what each had cost by then, where its port tells."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {one.id: _spent(task) for task, one in tasks.items()}


def _spent(given_up: asyncio.Future[Observed]) -> Facts:
    try:
        given_up.exception()
    except asyncio.CancelledError as error:
        return facts_behind(error)
    return NO_FACTS


def _stop_if_cancelled_since(me: asyncio.Task[Any] | None, before: int) -> None:
    if cancels(me) > before:  # somebody's code has swallowed the CancelledError
        raise asyncio.CancelledError
