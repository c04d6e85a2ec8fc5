"""Carrying out a plan in a terminal: progress while it goes on, what it came to at its end."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convsim_adapters.cli.output import BAD_INPUT, BROKEN, UNDER_RATE, console, refused, say, tell
from convsim_adapters.cli.plain import printable
from convsim_adapters.cli.report import report_beside
from convsim_adapters.cli.to_mlflow import Wanted, ended_in_mlflow, in_mlflow
from convsim_fp.errors import InvalidSpec, JournalError, Problem

if TYPE_CHECKING:
    from convsim_adapters.running.plans import Plan
    from convsim_adapters.running.results import Run

__all__ = ["called", "carried_out", "reported"]

ALONE = (
    "is above 1, and --mlflow catches an agent's spans in one process only; leave one of the two "
    "out, and write the run to MLflow afterwards: convsim export DIR"
)


def carried_out(
    plan: Plan,
    out: Path | None,
    *,
    as_json: bool = False,
    quiet: bool = False,
    fail_under: float | None = None,
    mlflow: Wanted | None = None,
    report: bool = False,
    **more: Any,
) -> int:
    """Carry out a plan with its progress shown, and show what it came to; the exit code.

    `more` is what `execute` is told beside.
    """
    from convsim_adapters.cli.progress import Quiet, watching  # noqa: PLC0415  not for --help
    from convsim_adapters.journal_files import RunInUse  # noqa: PLC0415
    from convsim_adapters.running.beginnings import FRESH  # noqa: PLC0415
    from convsim_adapters.running.execution import (  # noqa: PLC0415
        SimulationInterrupted,
        execute,
        run_directory,
    )
    from convsim_adapters.running.processes import WorkerLost  # noqa: PLC0415
    from convsim_fp.interpreters import no_sink  # noqa: PLC0415

    beginning = more.get("beginning", FRESH)
    if mlflow is not None and plan.settings.processes > 1:
        return refused(InvalidSpec([Problem("--processes", ALONE)]))
    sessions = plan.sessions - len(beginning.whole)
    watch = watching(console(err=True), sessions, plan.settings.concurrency)
    out = run_directory(out) if mlflow is not None else out
    try:
        with in_mlflow(mlflow, plan, out) as there:
            plan, more = (plan, more) if there is None else (there.plan, there.more())
            try:
                # What an agent prints is not what the command says.
                with nullcontext(Quiet()) if quiet else watch as told, redirect_stdout(sys.stderr):
                    watching_too = told if there is None else there.beside(told)
                    run = execute(
                        plan,
                        out=out,
                        sink=watching_too.entry if plan.settings.processes == 1 else no_sink,
                        finished=watching_too.finished,
                        following=told.following,
                        **more,
                    )
            except SimulationInterrupted as error:
                say(str(error))
                run = error.run
                if run.directory is not None:
                    say(f"go on with: {shlex.join((called(), 'resume', str(run.directory)))}")
            if there is not None:
                ended_in_mlflow(there, run)
    except InvalidSpec as error:
        return refused(error)
    except (JournalError, WorkerLost) as error:
        say(f"error: {error}")
        return BAD_INPUT if isinstance(error, RunInUse) else BROKEN
    code = reported(run, as_json=as_json, quiet=quiet, fail_under=fail_under)
    return code if not report or report_beside(run.directory) else code or BROKEN


def reported(
    run: Run, *, as_json: bool = False, quiet: bool = False, fail_under: float | None = None
) -> int:
    """Show a run; the exit code."""
    try:
        _shown(run, as_json=as_json, quiet=quiet)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    code = run.exit_code(fail_under)
    for doubt in run.doubts:
        say(f"warning: {doubt}")
    if code == UNDER_RATE:
        say(f"the rate of {run.rate:.3f} is under {fail_under:g}")
    if run.unsaved:
        say(f"some files of the run could not be written: {run.unsaved}")
    return code


def _shown(run: Run, *, as_json: bool, quiet: bool) -> None:
    from convsim_adapters.cli.tables import run_summary, run_table, urgency  # noqa: PLC0415
    from convsim_adapters.running.run_files import run_record  # noqa: PLC0415

    if as_json:
        click.echo(json.dumps(run_record(run)))
        return
    tell(*(() if quiet else (run_table(run, width=console().width), "")), run_summary(run))
    if run.directory is not None:
        click.echo(f"files: {run.directory}")
    first = next((one for one in sorted(run.sessions, key=urgency) if not one.achieved), None)
    if first is not None and run.directory is not None and not quiet:
        words = shlex.join((called(), "show", str(run.directory), first.id))
        click.echo(printable(f"next:  {words}"))


def called() -> str:
    """How the command can be called again: by its name where the shell finds it, else as it was."""
    name = "convsim"
    return name if shutil.which(name) or not sys.argv[0].endswith(name) else sys.argv[0]
