"""The subcommand that writes a run to look at, and the option that does so when a run has ended."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from convsim_adapters.cli.output import BAD_INPUT, say
from convsim_adapters.cli.output import report as told
from convsim_fp.errors import InvalidSpec

__all__ = ["report", "report_beside", "report_option"]


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("other", metavar="[DIR_B]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write. Default: report.html in the directory of the run.",
)
@click.option("--open", "opening", is_flag=True, help="Open it in the browser.")
def report(directory: Path, other: Path | None, out: Path | None, *, opening: bool) -> int:
    """Write the run in DIR as one HTML file to look at, also while it goes on.

    With DIR_B both runs stand side by side: changed stop reasons first, the first turn that differs
    marked.
    """
    from convsim_adapters.report import write_report  # noqa: PLC0415  not for --help

    try:
        path = write_report(directory, other, out=out)
    except InvalidSpec as error:
        for problem in error.problems:
            say(f"error: {problem}")
        return BAD_INPUT
    told(str(path))
    if opening and not webbrowser.open(path.resolve().as_uri()):
        say(f"no browser could be opened; open the file yourself: {path}")
    return 0


def report_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option to write a report when its run has ended."""
    words = "Write report.html beside the run's files, to look at."
    return click.option("--report", is_flag=True, help=words)(command)


def report_beside(directory: Path | None) -> bool:
    """Write the report of a run that has ended; False where that was refused, which is told."""
    from convsim_adapters.report import write_report  # noqa: PLC0415  not for --help

    if directory is None:
        return True
    try:
        say(f"report: {write_report(directory)}")
    except InvalidSpec as error:
        say(f"the report could not be written: {error}; try: convsim report {directory}")
        return False
    return True
