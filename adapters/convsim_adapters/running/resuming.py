"""Going on with a recorded run: what is recorded is not asked again, nothing else is skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from attrs import evolve, frozen

from convsim_adapters.case_files.files import Format
from convsim_adapters.journal_files import extent_of, load_journal
from convsim_adapters.running.beginnings import Beginning, Origin
from convsim_adapters.running.case_lists import read_cases
from convsim_adapters.running.execution import execute, sessions_planned
from convsim_adapters.running.headers import changed_cases, changed_settings, recorded_settings
from convsim_adapters.running.plans import CasePlan, Plan, Settings, make_plan
from convsim_adapters.running.recording import Record
from convsim_adapters.running.results import Run, SessionResult
from convsim_fp.core import JsonObject, Rules, Step, TestCase, resume
from convsim_fp.errors import InvalidSpec, Problem, ReplayMismatch
from convsim_fp.interpreters import Resumed, Sink, no_sink
from convsim_fp.journal import (
    Again,
    Check,
    Discarded,
    Header,
    Journal,
    SessionLog,
    begun_from,
    calls_again,
    calls_of,
    discarding,
    resumed,
)

__all__ = [
    "Retry",
    "header_among",
    "key_of",
    "plan_again",
    "plan_to_resume",
    "resume_run",
    "resumption",
]

Retry: TypeAlias = Literal["nothing", "failed"]

ACCEPT = "to go on with what has changed: --accept-changes (accept_changes=True)"


def resume_run(
    directory: str | Path,
    *,
    retry: Retry = "nothing",
    restart: bool = False,
    accept_changes: bool = False,
    sink: Sink = no_sink,
    finished: Callable[[SessionResult], object] | None = None,
    **given: Any,
) -> Run:
    """Finish a recorded run: no request whose answer is recorded is sent again.

    `given` are settings as for `simulate`, such as ``agent`` or ``user_params``, in place of the
    recorded ones; those that were not written down, since they may be secret, have to be given
    again. With `retry` ``failed`` what failed for good is tried again. An agent that remembers in
    its process is brought to where it was: its calls are made again, in order, and must come out
    alike; with `restart` its sessions begin anew instead. What was changed since is refused, unless
    `accept_changes`.

    Raises `InvalidSpec` with everything that was changed, and `JournalError` where the journal
    cannot be read or written.
    """
    plan, beginning = plan_to_resume(
        Path(directory), given, retry=retry, restart=restart, accept_changes=accept_changes
    )
    return execute(plan, out=directory, sink=sink, finished=finished, beginning=beginning)


def plan_to_resume(
    directory: Path,
    given: Mapping[str, Any],
    *,
    retry: Retry = "nothing",
    restart: bool = False,
    accept_changes: bool = False,
) -> tuple[Plan, Beginning]:
    """What is left to do of a recorded run; the first half of `resume_run`, which calls nothing."""
    extent = extent_of(directory)  # before it is read: what is written meanwhile has to show
    journal = load_journal(directory)
    plan = plan_again(journal, given)
    beginning = _resumption(
        plan, journal, retry=retry, restart=restart, accept_changes=accept_changes
    )
    return plan, evolve(beginning, extent=extent)


def resumption(plan: Plan, directory: Path, *, how: str) -> Beginning:
    """Where the sessions of a plan go on that was made anew, not from what is recorded.

    Raises `InvalidSpec` with everything that is not as it was when the run was recorded, and with
    `how` to go about it.
    """
    extent = extent_of(directory)
    journal = load_journal(directory)
    _refuse_changes(plan, journal, how)
    beginning = _resumption(plan, journal, retry="nothing", restart=False, accept_changes=False)
    return evolve(beginning, extent=extent)


def key_of(journal: Journal) -> str:
    """What no other run is called, as far as can be known of a run without a key of its own."""
    header = header_among(journal)
    return header.key or sha256(f"{header.run} {header.began}".encode()).hexdigest()[:16]


def plan_again(
    journal: Journal, given: Mapping[str, Any], *, recorded_cases: bool = False, to_run: bool = True
) -> Plan:
    """The plan of a recorded run, with what is `given` in place of the recorded settings.

    Its cases as they stand in their files now, where those are still there, so that a change shows;
    else, or with `recorded_cases`, as they were recorded. Raises `InvalidSpec` with all problems.
    """
    header = header_among(journal)
    told = recorded_settings(header, given)
    agent = told.pop("agent", None)
    cases = {log.case.id: log.case for log in journal.sessions}
    if not recorded_cases:
        cases |= {id: case for id, case in _cases_now(header).items() if id in cases}
    plan = make_plan(list(cases.values()), agent, Settings(**told), to_run=to_run)
    files = cast("tuple[str, ...]", header.settings.get("files", ()))
    file_format = cast("Format", header.settings.get("file_format", "auto"))
    return evolve(plan, files=files, file_format=file_format)


def header_among(journal: Journal) -> Header:
    """The first header of a run, which says what it was made with.

    Raises `InvalidSpec` for a run that was killed before it asked anything.
    """
    if not journal.started:
        what = "was stopped before it asked anything; start it again, in the same directory"
        raise InvalidSpec([Problem("the run", what)])
    return journal.headers[0]


def _cases_now(header: Header) -> dict[str | None, TestCase]:
    files = cast("tuple[str, ...]", header.settings.get("files", ()))
    if not files or not all(Path(one).is_file() for one in files):
        return {}
    file_format = cast("Format", header.settings.get("file_format", "auto"))
    cases, _ = read_cases(list(files), file_format)
    return {case.id: case for case in cases}


def _resumption(
    plan: Plan, journal: Journal, *, retry: Retry, restart: bool, accept_changes: bool
) -> Beginning:
    """Where each session of a plan goes on. Raises `InvalidSpec` with everything that differs."""
    if not accept_changes:
        _refuse_changes(plan, journal)
    logs = {log.session.id: log for log in journal.sessions}
    rules = {one.case.id: one.rules for one in plan.cases}
    process = plan.agent_state == "process"
    check: Check = "ids" if accept_changes else "content"
    places: list[_Place] = []
    problems: list[Problem] = []
    for session, case in sessions_planned(plan):
        if session.id not in logs:
            continue
        log = evolve(logs[session.id], case=case)
        try:
            place = _place(rules[case.id], log, check=check, retry=retry)
        except ReplayMismatch as error:
            problems.append(Problem("", f"it does not go again as it was recorded: {error}"))
        else:
            places.append(_with_its_agent(place, restart=restart) if process else place)
    if problems:
        raise InvalidSpec(problems)
    beginning = _beginning(places, _in_flight(places, plan, journal.headers))
    return evolve(beginning, key=key_of(journal))


def _refuse_changes(plan: Plan, journal: Journal, how: str = ACCEPT) -> None:
    """Refuse what was changed since, with the way to accept it behind the last."""
    cases = [one.case for one in plan.cases]
    changed = [
        *changed_settings(header_among(journal), plan),
        *changed_cases(journal.sessions, cases),
    ]
    if changed:
        raise InvalidSpec([*changed[:-1], evolve(changed[-1], what=f"{changed[-1].what}; {how}")])


@frozen
class _Place:
    """Where one session goes on."""

    rules: Rules
    log: SessionLog
    step: Step
    discarded: Discarded | None = None
    again: tuple[Again, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it has ended, and that is recorded."""
        return not self.step.requests and self.log.ended is not None

    def in_flight(self, *, overlap: bool) -> int:
        """How many of its requests may have been under way when its process was killed."""
        if self.log.ended is not None or self.discarded is not None:
            return 0
        return len(resume(evolve(self.rules, overlap=overlap), self.step.state).requests)


def _place(rules: Rules, log: SessionLog, *, check: Check, retry: Retry) -> _Place:
    step = resumed(rules, log, check=check)
    discarded = discarding(step.state) if retry == "failed" else None
    if discarded is None:
        return _Place(rules, log, step)
    log = log.without(discarded)
    return _Place(rules, log, resumed(rules, log, check=check), discarded)


def _with_its_agent(place: _Place, *, restart: bool) -> _Place:
    """What its agent needs, which remembers in a process that is gone."""
    calls = calls_of(place.log)
    if not place.step.requests or not calls:
        return place
    log, state = place.log, place.step.state
    if not restart:
        again = calls_again(calls, log.case, log.session, state.transcript)
        return evolve(place, again=again)
    discarded = Discarded(log.session.id)
    log = log.without(discarded)
    return _Place(place.rules, log, begun_from(place.rules, log), discarded)


def _in_flight(places: list[_Place], plan: Plan, headers: Iterable[Header]) -> int:
    """How many requests may have been under way, by the settings of those that were killed."""
    told = [header.settings for header in headers]
    two = {one.case.id for one in plan.cases if any(_overlapped(one, then) for then in told)}
    at_once = max(cast("int", then.get("concurrency", 1)) for then in told)
    asked = sum(one.in_flight(overlap=one.log.case.id in two) for one in places)
    return min(at_once * (2 if two else 1), asked)


def _overlapped(one: CasePlan, then: JsonObject) -> bool:
    told = then.get("overlap")
    return bool(one.cast.user_asks and one.cast.goal_check_asks if told is None else told)


def _beginning(places: list[_Place], in_flight: int) -> Beginning:
    return Beginning(
        resumed={one.log.session.id: Resumed(one.step, one.again) for one in places},
        records={one.log.session.id: Record.of(one.log.entries) for one in places},
        whole=frozenset(one.log.session.id for one in places if one.whole),
        origins={
            one.log.session.id: Origin(one.log.snapshot, one.log.parent)
            for one in places
            if one.log.snapshot is not None and one.log.parent is not None
        },
        discarded=tuple(one.discarded for one in places if one.discarded is not None),
        in_flight=in_flight,
        goes_on=True,
    )
