"""A conversation again from its entries: the same, or a divergence that says where it departs.

Each request that the machine lists is answered with what was recorded in its place, whatever the
order of arrival was, since that cannot matter. So overlap may be on or off, then and now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from attrs import evolve, frozen

from convsim_fp.core.cases import TestCase
from convsim_fp.core.machine import ONLY_SESSION, resume, start
from convsim_fp.core.machine import step as next_step
from convsim_fp.core.observations import Interrupted
from convsim_fp.core.requests import Lane, Request, RequestId, Session
from convsim_fp.core.state import Checking, Rules, Step, StopReason
from convsim_fp.errors import ReplayMismatch
from convsim_fp.journal.comparing import Alike, compared
from convsim_fp.journal.divergence import Divergence, of_content
from convsim_fp.journal.logs import Recorded

__all__ = ["Check", "replay"]

Check: TypeAlias = Literal["content", "ids"]

ENDED_BY_A_VERDICT = (StopReason.GOAL_ACHIEVED, StopReason.GOAL_CHECK_FAILED)


def replay(
    rules: Rules,
    case: TestCase,
    entries: Iterable[Recorded],
    *,
    session: Session = ONLY_SESSION,
    begun: Step | None = None,
    check: Check = "content",
) -> Step:
    """Fold recorded entries into the step that they lead to; void ones are left out.

    With `check` ``ids`` only the places of the requests have to agree, not their wording. `begun`
    is where a forked session starts. An interruption counts where nothing follows it. Raises
    `ReplayMismatch` at the first request that is not what was recorded, and where something was
    recorded that is never asked.

    >>> from convsim_fp import TestCase, users
    >>> replay(Rules(users.scripted(["Hello."]), None), TestCase(goal="greet"), []).requests[0].id
    RequestId(turn=1, lane=<Lane.AGENT: 'agent'>, nth=0)
    """
    folded = tuple(one for one in entries if not one.void)
    answers = {asked: one for one in folded if (asked := one.id) is not None}
    first = start(rules, case, session) if begun is None else begun
    done = _fold(rules, _Fold(first), answers, check=check)
    if len(done.taken) < len(answers):
        done = _with_what_was_said_ahead(rules, done, answers, check=check)
        _refuse_left_over(done, answers)
    last = folded[-1].seen if folded else None
    if isinstance(last, Interrupted):
        return next_step(rules, done.step.state, last)
    return done.step


@frozen
class _Fold:
    """The step that answers have led to, and which they are."""

    step: Step
    taken: tuple[RequestId, ...] = ()


def _fold(
    rules: Rules, done: _Fold, answers: Mapping[RequestId, Recorded], *, check: Check
) -> _Fold:
    step, taken, alike = done.step, done.taken, Alike()
    while (found := _next(step, answers)) is not None:
        request, recorded = found
        if check == "content":
            known = compared(alike, recorded, request)
            if known is None:
                raise ReplayMismatch(of_content(recorded, request))
            alike = known
        step = next_step(rules, step.state, recorded.seen)
        taken = (*taken, request.id)
    return _Fold(step, taken)


def _next(step: Step, answers: Mapping[RequestId, Recorded]) -> tuple[Request, Recorded] | None:
    """The first request that is listed and has an answer."""
    for request in step.requests:
        recorded = answers.get(request.id)
        if recorded is not None:
            return request, recorded
    return None


def _with_what_was_said_ahead(
    rules: Rules, done: _Fold, answers: Mapping[RequestId, Recorded], *, check: Check
) -> _Fold:
    """What a run with overlap has recorded belongs to the state, also where overlap is off now."""
    if rules.overlap or not isinstance(done.step.state.phase, Checking):
        return done
    overlapped = evolve(rules, overlap=True)
    listed = evolve(done, step=resume(overlapped, done.step.state))
    ahead = _fold(overlapped, listed, answers, check=check)
    return evolve(ahead, step=resume(rules, ahead.step.state))


def _refuse_left_over(done: _Fold, answers: Mapping[RequestId, Recorded]) -> None:
    """Refuse what was recorded and never asked, unless a verdict made an end of it."""
    state = done.step.state
    ahead = (state.turns + 1, Lane.USER) if state.stop_reason in ENDED_BY_A_VERDICT else None
    taken = frozenset(done.taken)
    for asked, recorded in answers.items():
        if asked not in taken and (asked.turn, asked.lane) != ahead:
            raise ReplayMismatch(_not_asked(recorded, done.step))


def _not_asked(recorded: Recorded, end: Step) -> Divergence:
    waiting = " and ".join(request.id.words for request in end.requests)
    phase = end.state.stop_reason
    now = f"it ends before, as {phase}" if phase is not None else f"now it asks for {waiting}"
    return Divergence(end.state.session.id, recorded.id, f"was asked then; {now}")
