"""A conversation again from its entries: the same, or a divergence that says where it departs.

Each request that the machine lists is answered with what was recorded in its place, whatever the
order of arrival was, since that cannot matter. So overlap may be on or off, then and now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from convsim_fp.core.cases import TestCase
from convsim_fp.core.machine import ONLY_SESSION, start
from convsim_fp.core.machine import step as next_step
from convsim_fp.core.observations import Interrupted
from convsim_fp.core.requests import Generate, Lane, Request, RequestId, Session
from convsim_fp.core.state import Checking, Rules, Step
from convsim_fp.errors import ReplayMismatch
from convsim_fp.journal.digests import digest
from convsim_fp.journal.divergence import Divergence, of_content
from convsim_fp.journal.logs import Recorded

__all__ = ["Check", "is_answer_to", "replay"]

Check: TypeAlias = Literal["content", "ids"]


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
    answers = {one.id: one for one in folded if one.id is not None}
    step = start(rules, case, session) if begun is None else begun
    taken = 0
    while (request := _answered(step, answers)) is not None:
        recorded = answers[request.id]
        if check == "content" and not is_answer_to(recorded, request):
            raise ReplayMismatch(of_content(recorded, request))
        step = next_step(rules, step.state, recorded.seen)
        taken += 1
    if taken < len(answers):
        _refuse_left_over(rules, case, answers, step, session=session, begun=begun)
    last = folded[-1].seen if folded else None
    return next_step(rules, step.state, last) if isinstance(last, Interrupted) else step


def is_answer_to(recorded: Recorded, request: Request) -> bool:
    """Whether what was recorded answers this very request; equal digests decide.

    Equal prompts have equal digests, which saves rendering them.
    """
    if isinstance(request, Generate) and recorded.content == request.prompt:
        return recorded.id == request.id
    return recorded.digest == digest(request)


def _answered(step: Step, answers: dict[RequestId, Recorded]) -> Request | None:
    return next((request for request in step.requests if request.id in answers), None)


def _refuse_left_over(
    rules: Rules,
    case: TestCase,
    answers: dict[RequestId, Recorded],
    end: Step,
    *,
    session: Session,
    begun: Step | None,
) -> None:
    """Refuse what was recorded and never asked, unless it was said ahead in a run with overlap."""
    first = start(rules, case, session) if begun is None else begun
    asked = frozenset(_asked(rules, first, answers))
    ahead = end.state.turns + 1
    said_ahead = end.state.stop_reason is not None or isinstance(end.state.phase, Checking)
    for recorded in answers.values():
        place = recorded.id
        if place is None or place in asked:
            continue
        if not (said_ahead and (place.turn, place.lane) == (ahead, Lane.USER)):
            raise ReplayMismatch(_not_asked(recorded, end))


def _asked(rules: Rules, step: Step, answers: dict[RequestId, Recorded]) -> Iterator[RequestId]:
    while (request := _answered(step, answers)) is not None:
        yield request.id
        step = next_step(rules, step.state, answers[request.id].seen)


def _not_asked(recorded: Recorded, end: Step) -> Divergence:
    waiting = ", ".join(str(request.id) for request in end.requests)
    phase = end.state.stop_reason
    now = f"it ends before, as {phase}" if phase is not None else f"now {waiting} is asked"
    return Divergence(end.state.session.id, recorded.id, f"was asked then; {now}")
