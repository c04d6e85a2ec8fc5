"""The subcommand that shows a recorded run: its list, one session, one turn."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from convsim_adapters.cli.figures import count
from convsim_adapters.cli.options import run_argument
from convsim_adapters.cli.output import BAD_INPUT, console, found, say, tell
from convsim_fp.errors import InvalidSpec, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from convsim_adapters.report.reading import Recording
    from convsim_adapters.running.results import SessionResult
    from convsim_fp.journal import SessionLog

__all__ = ["show"]


@click.command()
@run_argument
@click.argument("case", required=False)
@click.option(
    "--turn",
    type=click.IntRange(min=0),
    metavar="N",
    help="One turn of CASE with every request: the prompts sent, the replies. 0 is an opening.",
)
@click.option("--full", is_flag=True, help="Every session in full, instead of their list.")
def show(directory: Path, case: str | None, turn: int | None, *, full: bool) -> int:
    """Show the run in DIR, or of it one CASE (ID or ID/TRIAL), also while it goes on.

    \b
    convsim show runs/one                     how each session ended, what stands out
    convsim show runs/one refund/1            one session, every word, the verdicts
    convsim show runs/one refund/1 --turn 2   what was asked in it, and what came back
    """
    if turn is not None and case is None:
        raise click.UsageError("--turn needs a CASE beside DIR: whose turn?")
    if full and case is not None:
        raise click.UsageError("--full is of all sessions; a CASE is shown in full by itself")
    from convsim_adapters.report.reading import read_recording  # noqa: PLC0415  not for --help

    recording = found(lambda: read_recording(directory))
    if recording is None:
        return BAD_INPUT
    shown = found(lambda: _shown(recording, directory, case, turn=turn, full=full))
    if shown is None:
        return BAD_INPUT
    tell(*shown)
    if recording.run.unfinished:
        _say_what_is_left(recording.run.unfinished, directory)
    return 0


def _say_what_is_left(sessions: int, directory: Path) -> None:
    from convsim_adapters.journal_files.following import is_written  # noqa: PLC0415

    how = "look on with: convsim watch" if is_written(directory) else "go on with: convsim resume"
    left = count(sessions, "session")
    say(f"{left} without an end; {how} {shlex.quote(str(directory))}")


def _shown(
    recording: Recording, directory: Path, case: str | None, *, turn: int | None, full: bool
) -> tuple[RenderableType, ...]:
    from convsim_adapters.cli.shown_run import run_shown  # noqa: PLC0415  heavy
    from convsim_adapters.cli.shown_session import session_shown  # noqa: PLC0415
    from convsim_adapters.cli.shown_turn import turn_shown  # noqa: PLC0415

    width = console().width
    if case is None and not full:
        return tuple(run_shown(recording, directory, width=width))
    sessions = _sessions(recording, case)
    if turn is None:
        return tuple(part for one in sessions for part in session_shown(*one, width=width))
    within = [(log, result) for log, result in sessions if turn in _turns(log)]
    if not within:
        _refuse_turn(sessions, turn)
    return tuple(part for one in within for part in turn_shown(*one, turn, width=width))


def _turns(log: SessionLog) -> Iterable[int]:
    from convsim_adapters.cli.shown_asked import asked_in, turns_in  # noqa: PLC0415  not for --help

    return turns_in(log, asked_in(log))


def _sessions(
    recording: Recording, name: str | None
) -> tuple[tuple[SessionLog, SessionResult | None], ...]:
    """The sessions of a case, or one; of all those that are recorded where no name is given."""
    from convsim_adapters.running.case_lists import not_found  # noqa: PLC0415  not for --help

    every = tuple(zip(recording.logs, recording.results, strict=True))
    if name is None:
        return every
    named = tuple(one for one in every if name in (str(one[0].case.id), one[0].session.id))
    if not named:
        logs = recording.logs
        known = [str(log.case.id) for log in logs] + [log.session.id for log in logs]
        raise InvalidSpec([not_found(name, known)])
    return named


def _refuse_turn(sessions: Iterable[tuple[SessionLog, SessionResult | None]], turn: int) -> None:
    known = sorted({one for log, _ in sessions for one in _turns(log)})
    there = f"it has {known[0]} to {known[-1]}" if known else "nothing of it is recorded"
    raise InvalidSpec([Problem("turn", f"is {turn}, which it does not have; {there}")])
