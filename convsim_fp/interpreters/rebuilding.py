"""Bringing an agent that remembers to where its session was: its calls are made again, in order."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from convsim_fp.core.envelope import Entry
from convsim_fp.core.observations import Answer, Failed, Interrupted
from convsim_fp.core.state import Step
from convsim_fp.interpreters.perform import APerform
from convsim_fp.interpreters.ports import Sink
from convsim_fp.journal.forking import Again, same_answer

__all__ = ["Resumed", "rebuild"]

SHOWN = 80  # characters of a reply in a message


@frozen
class Resumed:
    """Where a session goes on: its step, and the calls that are made again before."""

    step: Step
    again: tuple[Again, ...] = ()


async def rebuild(again: Iterable[Again], perform: APerform, sink: Sink) -> Interrupted | None:
    """Make calls again, each recorded as rebuilt; why it cannot go on where one came out otherwise.

    None where all replies were as recorded: whoever answered now knows what it knew.
    """
    for call in again:
        request = call.request
        observed = await perform(request)
        found = observed.observation
        if isinstance(found, Interrupted):
            return found
        sink(Entry(request.session, request, observed, rebuilt=True))
        if not same_answer(call.expected, found):
            what = f"{request.id.lane} did not answer turn {request.id.turn} as it did before"
            how = "begin the session anew, or go on with an agent that answers alike"
            return Interrupted(
                "cancelled", f"the {what}: {_shown(call.expected)} became {_shown(found)}; {how}"
            )
    return None


def _shown(answer: Answer) -> str:
    words = str(answer.failure) if isinstance(answer, Failed) else answer.text
    return repr(words if len(words) <= SHOWN else words[: SHOWN - 1] + "…")
