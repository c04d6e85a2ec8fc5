"""Where recorded sessions go on: another session from a turn of one, or the same where it stopped.

A state is data, so a fork is the state before a turn under another name. What an agent or a user
outside of the core remembers is not in it: `calls_of` lists what has to be said to them again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from hashlib import sha256
from typing import cast

from attrs import evolve, frozen

from convsim_fp.core.behaviours import AskUser, Move, Question, SimulatedUser, View, consult
from convsim_fp.core.cases import TestCase
from convsim_fp.core.machine import resume, start
from convsim_fp.core.observations import AgentReplied, Answer, Failed, Observation
from convsim_fp.core.prompts import Prompt
from convsim_fp.core.requests import CallAgent, CallUser, Lane, Session
from convsim_fp.core.state import Rules, Speaking, State, Step, Stopped, StopReason
from convsim_fp.core.transcript import Transcript
from convsim_fp.errors import JournalError
from convsim_fp.journal.codec import state_to_json
from convsim_fp.journal.logs import Recorded, SessionLog
from convsim_fp.journal.records import Call, Discarded, Snapshot
from convsim_fp.journal.replaying import Check, replay

__all__ = [
    "Again",
    "begun_from",
    "calls_again",
    "calls_of",
    "discarding",
    "resumed",
    "same_answer",
    "snapshot_before",
]


@frozen
class Again:
    """A call to make again, and what came back the first time."""

    request: CallAgent | CallUser
    expected: Answer


def resumed(rules: Rules, log: SessionLog, *, check: Check = "content") -> Step:
    """Where a recorded session goes on: all its answers folded, an interruption left out.

    Raises `ReplayMismatch` where the recorded answers are not those to what is asked now.
    """
    answers = (one for one in log.folded if one.id is not None)
    begun = begun_from(rules, log)
    return replay(rules, log.case, answers, session=log.session, begun=begun, check=check)


def begun_from(rules: Rules, log: SessionLog) -> Step:
    """The first step of a recorded session: its case's, or that of the state it was forked from."""
    if log.snapshot is None:
        return start(rules, log.case, log.session)
    return resume(rules, evolve(log.snapshot.state, session=log.session, case=log.case))


def snapshot_before(rules: Rules, log: SessionLog, turn: int) -> Snapshot:
    """The state of a recorded session before the user speaks in `turn` (from 1), to fork from.

    Raises `JournalError` where the session did not come to that turn, and `ReplayMismatch`.
    """
    waiting = evolve(rules, user=_until(turn, rules.user))
    before = (one for one in log.folded if one.id is not None and one.id.turn < turn)
    begun = begun_from(waiting, log)
    state = replay(waiting, log.case, before, session=log.session, begun=begun).state
    phase = state.phase
    if not isinstance(phase, Speaking) or phase.turn != turn or phase.closing is not None:
        raise JournalError(_no_such_turn(log, state, turn))
    digest = sha256(state_to_json(state).encode("ascii")).hexdigest()
    calls = (call for call in calls_of(log) if _turn(call) < turn)
    return Snapshot(digest, state, tuple(calls))


def calls_of(log: SessionLog) -> tuple[Call, ...]:
    """The calls that a session made of its agent, or of a user outside of the core, in order."""
    earlier = () if log.snapshot is None else log.snapshot.calls
    return (*earlier, *_calls(log.folded))


def calls_again(
    calls: Iterable[Call], case: TestCase, session: Session, transcript: Transcript
) -> tuple[Again, ...]:
    """The requests that bring an agent, or a user outside of the core, to where it was."""
    return tuple(
        Again(_request(call, case, session, transcript[: call.said]), call.seen)
        for call in calls
        if not isinstance(call.seen, Failed)
    )


def same_answer(expected: Observation, found: Observation) -> bool:
    """Whether a call that was made again came out alike; ids of tool calls may differ.

    >>> from convsim_fp.core import Generated, RequestId
    >>> asked = RequestId(1, Lane.USER)
    >>> same_answer(Generated(asked, "Hi."), Generated(asked, "Hello."))
    False
    """
    return _without_call_ids(expected) == _without_call_ids(found)


def discarding(state: State) -> Discarded | None:
    """What to discard so that a final failure is tried again: all replies of that decision.

    None where the session did not end in a failure of agent, user or goal check.
    """
    phase, session = state.phase, state.session.id
    if not isinstance(phase, Stopped):
        return None
    match phase.reason:
        case StopReason.AGENT_FAILED:
            return Discarded(session, phase.turns, Lane.AGENT)
        case StopReason.USER_FAILED:
            return Discarded(session, phase.turns + 1, Lane.USER)
        case StopReason.GOAL_CHECK_FAILED:
            return Discarded(session, phase.turns, Lane.GOAL_CHECK)
        case _:
            return None


def _until(turn: int, user: SimulatedUser) -> SimulatedUser:
    """The same user, who waits before a turn."""

    def waiting(view: View) -> Generator[Question, str, Move]:
        if view.turn >= turn:
            yield AskUser("a fork begins here")
        asking: Generator[Question, str, Move] = consult(user, view)
        return (yield from asking)

    return waiting


def _no_such_turn(log: SessionLog, state: State, turn: int) -> str:
    name = f"the session {log.session.id!r}"
    begins = 1 if log.snapshot is None else log.snapshot.state.turns + 1
    if 1 <= turn < begins:
        return f"{name} was itself forked at turn {begins}; fork its parent at turn {turn} instead"
    turns = state.turns + (state.stop_reason is None)
    return f"{name} has no turn {turn} to fork at: it came to {turns}; turns count from 1"


def _calls(entries: Iterable[Recorded]) -> Iterator[Call]:
    for one in entries:
        said = one.content
        if said is not None and not isinstance(said, Prompt):
            yield Call(cast("Answer", one.seen), len(said))


def _turn(call: Call) -> int:
    return call.seen.id.turn


def _request(
    call: Call, case: TestCase, session: Session, said: Transcript
) -> CallAgent | CallUser:
    asked = call.seen.id
    kind = CallAgent if asked.lane is Lane.AGENT else CallUser
    return kind(asked, session, case, said)


def _without_call_ids(seen: Observation) -> Observation:
    if not isinstance(seen, AgentReplied):
        return seen
    return evolve(seen, tool_calls=tuple(evolve(call, id="") for call in seen.tool_calls))
