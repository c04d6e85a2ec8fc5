"""Recorded runs again: by themselves, or against an agent that may have changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from attrs import Factory, define, evolve, field, frozen

from convsim_adapters.journal_files import load_journal
from convsim_adapters.running.agents import AgentTarget
from convsim_adapters.running.beginnings import Beginning, Origin
from convsim_adapters.running.case_lists import not_found
from convsim_adapters.running.execution import execute
from convsim_adapters.running.plans import Plan
from convsim_adapters.running.results import Run, SessionResult
from convsim_adapters.running.resuming import header_among, plan_again
from convsim_fp.core import (
    CallAgent,
    Interrupted,
    Request,
    RequestId,
    Rules,
    State,
    Stopped,
    freeze_object,
)
from convsim_fp.errors import InvalidSpec, ReplayMismatch
from convsim_fp.interpreters import APerform, Facts, Observed, Resumed, Sink, no_sink
from convsim_fp.journal import (
    Check,
    Divergence,
    Journal,
    Recorded,
    SessionLog,
    begun_from,
    calls_again,
    is_answer_to,
    of_content,
    of_replies,
    replay,
    same_answer,
)

__all__ = [
    "Against",
    "Replayed",
    "logs_of",
    "plan_against",
    "replay_against",
    "replay_run",
    "rules_again",
]

# What a replay does without: nobody is called.
MODELS = ("user_model", "goal_model", "user_params", "goal_params")
CALLED = ("agent", "agent_params", *MODELS)
NOTHING: Mapping[str, Any] = MappingProxyType({})
FREE_OF_CHARGE = Facts(input_tokens=0, output_tokens=0, cost=0.0, attempts=0)
NOT_SENT = Facts(attempts=0)


@frozen
class Replayed:
    """What became of one session; no `divergence` where it went as recorded."""

    session: str
    turns: int
    divergence: Divergence | None = None


def replay_run(
    directory: str | Path, case: str | None = None, *, check: Check = "content", **given: Any
) -> tuple[Replayed, ...]:
    """Fold every recorded session of a run again, or those of one case; nobody is called.

    Each has to make the same requests and come to the same transcript and stop reason. A ``user``
    or a ``goal_check`` of your own that no name leads to is `given` again. Raises `InvalidSpec`
    where the run cannot be had back, and `JournalError` where the journal is broken.
    """
    journal = load_journal(Path(directory))
    rules = rules_again(journal, given)
    return tuple(_replayed(rules, log, check) for log in logs_of(journal, case))


def rules_again(
    journal: Journal, given: Mapping[str, Any] = NOTHING
) -> Callable[[SessionLog], Rules]:
    """The rules that each session of a run was played by; needs neither models nor the agent."""
    bare = _without(journal, CALLED)
    plan = plan_again(bare, _without_models(given), recorded_cases=True, to_run=False)
    rules = {one.case.id: one.rules for one in plan.cases}
    return lambda log: rules[log.case.id]


def _without_models(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in CALLED}


def logs_of(journal: Journal, name: str | None) -> tuple[SessionLog, ...]:
    """The sessions of one case, or of one ``case/trial``; all where no name is given."""
    if name is None:
        return journal.sessions
    found = tuple(one for one in journal.sessions if name in (one.case.id, one.session.id))
    if not found:
        known = [str(one.case.id) for one in journal.sessions]
        raise InvalidSpec(
            [not_found(name, [*known, *(one.session.id for one in journal.sessions)])]
        )
    return found


def _replayed(rules_of: Callable[[SessionLog], Rules], log: SessionLog, check: Check) -> Replayed:
    rules = rules_of(log)
    begun = begun_from(rules, log)
    try:
        step = replay(rules, log.case, log.entries, session=log.session, begun=begun, check=check)
    except ReplayMismatch as error:
        departs = error.divergence
        turns = departs.id.turn if isinstance(departs, Divergence) and departs.id else 0
        return Replayed(log.session.id, turns, departs if isinstance(departs, Divergence) else None)
    return Replayed(log.session.id, step.state.turns, _outcome(log, step.state))


def _outcome(log: SessionLog, state: State) -> Divergence | None:
    """What differs in how it came out, where all that was asked is the same."""
    if state.transcript[: len(log.transcript)] != log.transcript:
        return Divergence(log.session.id, None, "what was said differs, what was asked does not")
    if log.ended is None:
        return None
    then, now = log.ended.phase, state.phase
    if isinstance(now, Stopped) and (now.reason, now.turns) == (then.reason, then.turns):
        return None
    came = f"ended as {then.reason} after {then.turns} turns"
    goes = f"ends as {now.reason}" if isinstance(now, Stopped) else "goes on"
    return Divergence(log.session.id, None, f"it {came}; now it {goes} after {state.turns} turns")


def replay_against(
    directory: str | Path,
    agent: AgentTarget | None = None,
    *,
    case: str | None = None,
    go_on: bool = False,
    out: str | Path | None = None,
    sink: Sink = no_sink,
    finished: Callable[[SessionResult], object] | None = None,
    **given: Any,
) -> tuple[Run, tuple[Divergence, ...]]:
    """Let the recorded users of a run talk to an agent that may have changed.

    As long as it replies as recorded, nothing else is called: users and judges answer from the
    record. Where it departs the session stops, or with `go_on` goes on live, recorded in a new run.
    Without `agent` it is the recorded one, as it is now. Gives the run and where sessions departed.
    """
    plan, beginning, answers = plan_against(directory, agent, case=case, go_on=go_on, given=given)
    run = execute(
        plan,
        out=out,
        save=go_on,
        sink=sink,
        finished=finished,
        beginning=beginning,
        around=answers.around,
    )
    return run, tuple(answers.departed.values())


def plan_against(
    directory: str | Path,
    agent: AgentTarget | None,
    *,
    case: str | None,
    go_on: bool,
    given: Mapping[str, Any],
) -> tuple[Plan, Beginning, Against]:
    """What `replay_against` carries out."""
    journal = load_journal(Path(directory))
    # What was asked ahead and not waited for is not in the record.
    told = {**given, "overlap": False} | ({} if agent is None else {"agent": agent})
    wanted = logs_of(journal, case)
    chosen = _only(journal, wanted)
    chosen = chosen if go_on else _without(chosen, MODELS)
    plan = plan_again(chosen, told, recorded_cases=True, to_run=go_on)
    return plan, _where_forked(plan, wanted), Against(wanted, go_on=go_on)


def _only(journal: Journal, wanted: tuple[SessionLog, ...]) -> Journal:
    """A journal of some of its sessions; whether it was started shows in the whole alone."""
    headers = tuple(evolve(one, sessions=0) for one in journal.headers)
    return evolve(journal, sessions=wanted, headers=headers if journal.started else journal.headers)


def _where_forked(plan: Plan, logs: Iterable[SessionLog]) -> Beginning:
    """Forked sessions begin at their turn, with an agent that knows what was said before."""
    rules = {one.case.id: one.rules for one in plan.cases}
    resumed: dict[str, Resumed] = {}
    origins: dict[str, Origin] = {}
    for log in logs:
        if log.snapshot is not None and log.parent is not None:
            step = begun_from(rules[log.case.id], log)
            calls = log.snapshot.calls if plan.agent_state != "transcript" else ()
            again = calls_again(calls, log.case, log.session, step.state.transcript)
            resumed[log.session.id] = Resumed(step, again)
            origins[log.session.id] = Origin(log.snapshot, log.parent)
    return Beginning(resumed=resumed, origins=origins)


@define
class Against:
    """Answers of models from the record, for as long as the agent replies as it did.

    With `agent_too` it answers from the record as well. `around` is composed around what performs;
    `departed` fills with where sessions departed.
    """

    logs: Iterable[SessionLog]
    go_on: bool = False
    agent_too: bool = False
    departed: dict[str, Divergence] = Factory(dict[str, Divergence])
    answers: dict[tuple[str, RequestId | None], Recorded] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.answers = {(log.session.id, one.id): one for log in self.logs for one in log.folded}

    def around(self, perform: APerform) -> APerform:
        """Compose."""

        async def performed(request: Request) -> Observed:
            session = request.session.id
            recorded = self.answers.get((session, request.id))
            if isinstance(request, CallAgent) and not self.agent_too:
                observed = await perform(request)
                self._compare(session, recorded, observed)
                return observed
            if recorded is not None and is_answer_to(recorded, request):
                return Observed(recorded.seen, FREE_OF_CHARGE)
            if self.go_on:
                return await perform(request)
            return Observed(Interrupted("cancelled", self._why(request, recorded)), NOT_SENT)

        return performed

    def _compare(self, session: str, recorded: Recorded | None, observed: Observed) -> None:
        then = None if recorded is None else recorded.seen
        now = observed.observation
        if session in self.departed or then is None or isinstance(now, Interrupted):
            return
        if not same_answer(then, now):
            self.departed[session] = of_replies(session, then, now)

    def _why(self, request: Request, recorded: Recorded | None) -> str:
        session = request.session.id
        if session not in self.departed:
            there = self._unlike(request, recorded)
            self.departed[session] = there
        return f"it departs from the record: {self.departed[session].what}"

    def _unlike(self, request: Request, recorded: Recorded | None) -> Divergence:
        if recorded is None:
            return Divergence(request.session.id, request.id, "was not asked then")
        return of_content(recorded, request)


def _without(journal: Journal, names: Collection[str]) -> Journal:
    """A journal whose header does not name what nobody is going to call."""
    header = header_among(journal)
    kept = {name: value for name, value in header.settings.items() if name not in names}
    withheld = [
        name
        for name in cast("tuple[str, ...]", header.settings.get("withheld", ()))
        if name.partition(".")[0] not in names
    ]
    bare = evolve(header, settings=freeze_object({**kept, "withheld": withheld}))
    return evolve(journal, headers=(bare, *journal.headers[1:]))
