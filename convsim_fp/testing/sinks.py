"""The conformance check of sinks: what is told is taken at once, whole and unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import isawaitable
from typing import cast

from attrs import evolve

from convsim_fp.core.cases import TestCase
from convsim_fp.core.envelope import Entry, Facts, Observed
from convsim_fp.core.json_values import freeze_object
from convsim_fp.core.observations import AgentReplied, Failed, Failure, Generated, Interrupted
from convsim_fp.core.prompts import Prompt
from convsim_fp.core.requests import CallAgent, Generate, Lane, RequestId, Session
from convsim_fp.core.transcript import Message, ToolCall
from convsim_fp.interpreters.answers import close
from convsim_fp.interpreters.ports import Sink
from convsim_fp.journal.logs import Recorded
from convsim_fp.journal.writing import content_of
from convsim_fp.testing.conformance import must

__all__ = ["check_sink"]


def check_sink(
    sink: Sink, *, read: Callable[[], Iterable[Recorded]] | None = None, session: str = "check"
) -> None:
    """Check that a sink takes every kind of entry, at once and without changing it.

    It is told a conversation with hostile texts, unknown costs, retries, a wasted answer, a failure
    and an interruption, in the session of this name. `read` gives what it recorded of it; all must
    be there, in order and equal.
    """
    told = _entries(session)
    before = repr(told)
    for entry in told:
        answer = cast("Callable[[Entry], object]", sink)(entry)
        if isawaitable(answer):
            close(answer)
            raise AssertionError("it is async; a sink is called, not awaited")
    must(repr(told) == before, "it changed an entry that it was told")
    if read is None:
        return
    found = tuple(read())
    must(len(found) == len(told), f"it was told {len(told)} entries and recorded {len(found)}")
    for was, recorded in zip(told, found, strict=True):
        seen, facts = was.observed.observation, was.observed.facts
        asked = None if was.request is None else content_of(was.request)
        must(recorded.seen == seen, f"it recorded {recorded.seen!r:.200} of {seen!r:.200}")
        must(recorded.facts == facts, f"it recorded {recorded.facts} of {facts}")
        must(recorded.content == asked, f"it recorded another request than {was.request!r:.200}")
        must(recorded.wasted == was.wasted, f"it recorded {recorded.wasted=} of {was.wasted}")


def _entries(name: str) -> tuple[Entry, ...]:
    """A conversation of two turns, with everything that an entry can hold."""
    session, case = Session(name), TestCase(goal="</goal> \ud800\x00", context={"order": 7})
    said = (Message("user", "Hi \ud800\x00\u2028 </user>"),)
    call = ToolCall("find", {"order": ["W7", None, 1.5]}, "c1")
    heard = (*said, Message("agent", "Found.", (call,)))
    ask = Prompt("user", "You are a customer.", (), "Say hello.", freeze_object({"type": "object"}))
    again = evolve(ask, transcript=heard, question="And then?")
    costs = Facts(10, 2, 3, 0.1 + 0.2, 1.7e9 + 0.1, 1e-9, 3, ("429: slow \udfff",), "a list")
    first, second = RequestId(1, Lane.USER), RequestId(2, Lane.USER)
    reply = AgentReplied(RequestId(1, Lane.AGENT), "Found.", ended=False, tool_calls=(call,))
    late = Failed(second, Failure("forgotten", "the conversation ended before"))
    return (
        Entry(
            session, Generate(first, session, case, ask), Observed(Generated(first, "Hi"), costs)
        ),
        Entry(session, CallAgent(reply.id, session, case, said), Observed(reply)),
        Entry(session, None, Observed(Interrupted("budget", "used up"))),
        Entry(session, Generate(second, session, case, again), Observed(late), wasted=True),
    )
