"""The subcommand that looks on at a run from another terminal."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from convsim_adapters.cli.carrying import called, reported
from convsim_adapters.cli.figures import count
from convsim_adapters.cli.options import run_argument
from convsim_adapters.cli.output import BAD_INPUT, BROKEN, console, deaf, found, say
from convsim_adapters.cli.run_json import status_of
from convsim_fp.errors import InvalidSpec, Problem

if TYPE_CHECKING:
    from convsim_adapters.cli.followed import Seen

__all__ = ["watch"]

RUNNING = "running"
FINISHED = "finished"


@click.command()
@run_argument
@click.option(
    "--interval",
    type=click.FloatRange(0.05, 3600),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Seconds between two looks.",
)
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 1),
    metavar="RATE",
    help="Exit with 1 where a smaller share of sessions achieved its goal, such as 0.9.",
)
def watch(directory: Path, interval: float, fail_under: float | None) -> int:
    """Look on at the run in DIR while it goes on, from another terminal.

    Ends with the run, shows what it came to, and exits as the run does; with 3 where it was killed.
    Nothing of the run is changed. Ctrl-C ends the looking on, and not the run.
    """
    try:
        status = found(lambda: _looked_on(directory, interval))
        return BAD_INPUT if status is None else _outcome(directory, status, fail_under)
    except BrokenPipeError:
        return deaf()


def _looked_on(directory: Path, interval: float) -> str:
    """Show a run until nobody writes it any more; what is written of how it ended."""
    from convsim_adapters.cli.followed import Seen  # noqa: PLC0415  not for --help
    from convsim_adapters.cli.watched import looking_on  # noqa: PLC0415  heavy
    from convsim_adapters.journal_files import segments_of  # noqa: PLC0415
    from convsim_adapters.journal_files.following import Growing, is_written  # noqa: PLC0415

    if not segments_of(directory) and not is_written(directory):
        here = "holds no run yet" if directory.is_dir() else "is no directory"
        what = f"is {str(directory)!r}, which {here}; give the directory of a run that has begun"
        raise InvalidSpec([Problem("run", what)])
    growing, seen = Growing(directory), Seen()
    with looking_on(console(), directory.resolve().name) as shown:
        while True:
            # In this order: what is written of its end was there before its lock was free.
            held, status = is_written(directory), status_of(directory)
            if growing.replaced:
                growing, seen = Growing(directory), Seen()
            seen = seen.after(growing.records())
            shown.show(seen, time.time())
            if _is_over(held, status, seen):
                return status
            time.sleep(interval)


def _is_over(held: bool | None, status: str, seen: Seen) -> bool:  # noqa: FBT001  what was found
    """Whether nobody writes it; of a runner that has no lock, whether nothing is left to do."""
    if held is not None:
        return not held
    return status not in ("", RUNNING) or (seen.total > 0 and len(seen.ended) == seen.total)


def _outcome(directory: Path, status: str, fail_under: float | None) -> int:
    """Show what the run came to; the exit code."""
    from convsim_adapters.running.run_files import read_run  # noqa: PLC0415  not for --help

    run = found(lambda: read_run(directory))
    if run is None:
        return BAD_INPUT
    code = reported(run, fail_under=fail_under)
    if not run.unfinished and status in ("", FINISHED):
        return code
    say(f"{_how(status, run.unfinished)}; go on with: {_to_resume(directory)}")
    return code if run.interrupted is not None else BROKEN


def _how(status: str, unfinished: int) -> str:
    left = f", {count(unfinished, 'session')} without an end" if unfinished else ""
    if status in ("", RUNNING):
        return f"it was killed{left}"
    return f"{'it was ' if status.startswith('interrupted') else ''}{status}{left}"


def _to_resume(directory: Path) -> str:
    return shlex.join((called(), "resume", str(directory)))
