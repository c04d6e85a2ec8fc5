"""Going on with a recorded run: what is recorded is not asked again, nothing else is skipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from attrs import evolve

from convsim_adapters.case_files.files import Format
from convsim_adapters.journal_files import extent_of, load_journal
from convsim_adapters.running.beginnings import Beginning
from convsim_adapters.running.case_lists import read_cases
from convsim_adapters.running.execution import execute
from convsim_adapters.running.headers import changed_cases, changed_settings, recorded_settings
from convsim_adapters.running.places import Retry, going_on
from convsim_adapters.running.plans import Plan, Settings, make_plan
from convsim_adapters.running.results import Run, SessionResult
from convsim_fp.core import TestCase
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import Sink, no_sink
from convsim_fp.journal import Check, Header, Journal

__all__ = [
    "Retry",
    "header_among",
    "key_of",
    "plan_again",
    "plan_to_resume",
    "resume_run",
    "resumption",
]

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
    if not accept_changes:
        _refuse_changes(plan, journal)
    check: Check = "ids" if accept_changes else "content"
    beginning = going_on(plan, journal, retry=retry, restart=restart, check=check)
    return plan, evolve(beginning, extent=extent, key=key_of(journal))


def resumption(plan: Plan, directory: Path, *, how: str) -> Beginning:
    """Where the sessions of a plan go on that was made anew, not from what is recorded.

    Raises `InvalidSpec` with everything that is not as it was when the run was recorded, and with
    `how` to go about it.
    """
    extent = extent_of(directory)
    journal = load_journal(directory)
    _refuse_changes(plan, journal, how)
    return evolve(going_on(plan, journal), extent=extent, key=key_of(journal))


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


def _refuse_changes(plan: Plan, journal: Journal, how: str = ACCEPT) -> None:
    """Refuse what was changed since, with the way to accept it behind the last."""
    cases = [one.case for one in plan.cases]
    changed = [
        *changed_settings(header_among(journal), plan),
        *changed_cases(journal.sessions, cases),
    ]
    if changed:
        raise InvalidSpec([*changed[:-1], evolve(changed[-1], what=f"{changed[-1].what}; {how}")])
