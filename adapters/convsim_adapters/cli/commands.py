"""The subcommands: options to settings, a plan carried out, its result shown."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convsim_adapters.cli.options import cases_argument, play_options, read_options
from convsim_adapters.cli.plain import printable
from convsim_fp.errors import InvalidSpec, JournalError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from convsim_adapters.running.plans import Plan
    from convsim_adapters.running.results import Run

__all__ = ["convsim", "run_command"]

T = TypeVar("T")

BAD_INPUT, INTERRUPTED, UNDER_RATE, BROKEN = 2, 130, 1, 3
DEMO_AGENT = "convsim_adapters.demo.shop:OrderDesk"
WIDE = 200  # columns where there is no terminal


def run_command() -> int:
    """Run the command line of this process; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # what the locale cannot show is no reason to stop
    try:
        done: object = convsim.main(prog_name="convsim", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except SystemExit:
        raise
    except BaseException:  # noqa: BLE001  not 1, which says that a rate was missed
        traceback.print_exc()
        return BROKEN
    return done if isinstance(done, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="convsim-fp", prog_name="convsim")
def convsim() -> None:
    """Play simulated users against a conversational agent, and see where it fails.

    \b
    convsim demo                            a flaw found offline, in seconds
    convsim check cases.yaml                what would run; calls nothing
    convsim run cases.yaml --agent shop:agent --user-model openai/gpt-5-mini

    A TARGET is package.module:attribute; the working directory is importable.

    Exit codes, the first that applies: 130 interrupted; 2 bad input or usage; 3 agent, user or
    judge failed in some session; 1 under --fail-under; 0 otherwise.
    """


@convsim.command()
@cases_argument
@click.option("--agent", required=True, metavar="TARGET|URL", help="The agent under test.")
@play_options
@read_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the files of the run go. Default: a new directory in runs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option("--quiet", is_flag=True, help="No progress and no table, only the summary.")
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 1),
    metavar="RATE",
    help="Exit with 1 where a smaller share of sessions achieved its goal, such as 0.9.",
)
def run(**told: Any) -> int:
    """Play every case of the files CASES against the agent."""
    out, as_json, quiet = told.pop("out"), told.pop("as_json"), told.pop("quiet")
    fail_under = told.pop("fail_under")
    plan = _planned(to_run=True, **told)
    if plan is None:
        return BAD_INPUT
    return _carried_out(plan, out, as_json=as_json, quiet=quiet, fail_under=fail_under)


@convsim.command()
@cases_argument
@click.option("--agent", metavar="TARGET|URL", help="The agent under test, if it shall be checked.")
@play_options
@read_options
def check(**told: Any) -> int:
    """Validate the files CASES, print what would run, and call nothing."""
    from convsim_adapters.cli.tables import plan_summary, plan_table  # noqa: PLC0415  heavy

    plan = _planned(to_run=False, **told)
    if plan is None:
        return BAD_INPUT
    _print(plan_table(plan), "", plan_summary(plan))
    return 0


@convsim.command()
@click.option(
    "--write",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the demo's agent and cases there to try things out on, instead of running them.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the files of the run go. Default: a new directory in runs.",
)
def demo(write: Path | None, out: Path | None) -> int:
    """Run a dozen cases against the order desk of a small shop: offline, without a key."""
    from convsim_adapters.demo import CASES, write_demo  # noqa: PLC0415  not for --help

    if write is not None:
        written = _tried(lambda: write_demo(write))
        if written is None:
            return BAD_INPUT
        click.echo(f"wrote {' and '.join(path.name for path in written)}; next:")
        click.echo(f"  cd {write}\n  convsim run cases.yaml --agent shop:OrderDesk")
        return 0
    from convsim_adapters.running.plans import Settings, make_plan  # noqa: PLC0415

    plan = _tried(lambda: make_plan(CASES, DEMO_AGENT, Settings()))
    if plan is None:
        return BAD_INPUT
    click.echo("An order desk, twelve customers, one flaw. No key, no network.\n", err=True)
    return _carried_out(plan, out, as_json=False, quiet=False, fail_under=None)


@convsim.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("case", required=False)
def show(directory: Path, case: str | None) -> int:
    """Print the transcripts of the run in DIR, or those of one CASE (ID or ID/TRIAL)."""
    from convsim_adapters.cli.tables import transcript  # noqa: PLC0415  heavy
    from convsim_adapters.running.run_files import read_run, sessions_of  # noqa: PLC0415

    shown = _tried(lambda: sessions_of(read_run(directory), case))
    if shown is None:
        return BAD_INPUT
    if not shown:
        _say(f"{directory} has no sessions yet")
    _print(*map(transcript, shown))
    return 0


@convsim.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the completion script of a shell; eval it, or put it where the shell looks."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(convsim, {}, "convsim", "_CONVSIM_COMPLETE").source())


def _planned(*, to_run: bool, **told: Any) -> Plan | None:
    """The plan that the options ask for; None where its problems have been told."""
    from convsim_adapters.running.plans import Settings, make_plan  # noqa: PLC0415  not for --help

    cases, agent = told.pop("cases"), told.pop("agent")
    file_format, select = told.pop("file_format"), told.pop("select")
    for kind in ("user", "goal", "agent"):
        told[f"{kind}_params"] = told.pop(f"{kind}_param")
    settings = Settings(**told)
    plan = _tried(
        lambda: make_plan(
            cases, agent, settings, file_format=file_format, select=select, to_run=to_run
        )
    )
    for doubt in () if plan is None else plan.warnings:
        _say(f"warning: {doubt}")
    return plan


def _carried_out(
    plan: Plan, out: Path | None, *, as_json: bool, quiet: bool, fail_under: float | None
) -> int:
    from convsim_adapters.cli.progress import Quiet, watching  # noqa: PLC0415  not for --help
    from convsim_adapters.running.execution import (  # noqa: PLC0415
        SimulationInterrupted,
        execute,
    )

    watch = nullcontext(Quiet()) if quiet else watching(_console(err=True), plan)
    try:
        # What an agent prints is not what the command says.
        with watch as told, redirect_stdout(sys.stderr):
            run = execute(plan, out=out, sink=told.entry, finished=told.finished)
    except SimulationInterrupted as error:
        _say(str(error))
        run = error.run
    except InvalidSpec as error:
        return _refused(error)
    except JournalError as error:
        _say(f"error: {error}")
        return BROKEN
    try:
        _shown(run, as_json=as_json, quiet=quiet)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    code = run.exit_code(fail_under)
    for doubt in run.doubts:
        _say(f"warning: {doubt}")
    if code == UNDER_RATE:
        _say(f"the rate of {run.rate:.3f} is under {fail_under:g}")
    if run.unsaved:
        _say(f"some files of the run could not be written: {run.unsaved}")
    return code


def _shown(run: Run, *, as_json: bool, quiet: bool) -> None:
    from convsim_adapters.cli.tables import run_summary, run_table, urgency  # noqa: PLC0415
    from convsim_adapters.running.run_files import run_record  # noqa: PLC0415

    if as_json:
        click.echo(json.dumps(run_record(run)))
        return
    _print(*(() if quiet else (run_table(run, width=_console().width), "")), run_summary(run))
    if run.directory is not None:
        click.echo(f"files: {run.directory}")
    first = next((one for one in sorted(run.sessions, key=urgency) if not one.achieved), None)
    if first is not None and run.directory is not None and not quiet:
        words = shlex.join((_called(), "show", str(run.directory), first.id))
        click.echo(printable(f"next:  {words}"))


def _called() -> str:
    """How the command can be called again: by its name where the shell finds it, else as it was."""
    name = "convsim"
    return name if shutil.which(name) or not sys.argv[0].endswith(name) else sys.argv[0]


def _tried(make: Callable[[], T]) -> T | None:
    """What a step gives; None where it refuses, after its problems have been told."""
    try:
        return make()
    except InvalidSpec as error:
        _refused(error)
        return None


def _refused(error: InvalidSpec) -> int:
    for problem in error.problems:
        _say(f"error: {problem}")
    number = len(error.problems)
    _say(f"{number} problem{'s' * (number > 1)}; nothing was run")
    return BAD_INPUT


def _say(words: str) -> None:
    click.echo(printable(words), err=True)


def _print(*parts: RenderableType) -> None:
    """Print to standard output; where that is no terminal, without blanks at the ends of lines."""
    console = _console()
    if console.is_terminal:
        for part in parts:
            console.print(part)
        return
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _console(*, err: bool = False) -> Console:
    from rich.console import Console  # noqa: PLC0415  heavy

    console = Console(stderr=err, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    return console
