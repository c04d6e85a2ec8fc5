"""The subcommands: options to settings, a plan carried out, its result shown."""

from __future__ import annotations

import os
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convsim_adapters.cli.carrying import carried_out
from convsim_adapters.cli.differing import diff
from convsim_adapters.cli.options import (
    cases_argument,
    out_option,
    play_options,
    read_options,
    result_options,
)
from convsim_adapters.cli.output import (
    BAD_INPUT,
    BROKEN,
    INTERRUPTED,
    SHOWABLE,
    refused,
    say,
    tell,
    tried,
)
from convsim_adapters.cli.recorded import fork, replay, resume
from convsim_adapters.cli.report import report, report_option
from convsim_adapters.cli.shown import show
from convsim_adapters.cli.to_mlflow import export, mlflow_options, wanted
from convsim_adapters.cli.watch import watch
from convsim_adapters.hiding import hiding_logs, secrets_of_environment, without_secrets
from convsim_fp.errors import InvalidSpec

if TYPE_CHECKING:
    from convsim_adapters.running.plans import Plan

__all__ = ["convsim", "run_command"]

DEMO_AGENT = "convsim_adapters.demo.shop:OrderDesk"


def run_command() -> int:
    """Run the command line of this process; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=SHOWABLE)
    try:
        with hiding_logs(secrets_of_environment(os.environ)):
            done: object = convsim.main(prog_name="convsim", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except SystemExit:
        raise
    except BaseException:  # noqa: BLE001  not 1, which says that a rate was missed
        say(without_secrets(traceback.format_exc(), secrets_of_environment(os.environ)))
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
@out_option
@result_options
@report_option
@mlflow_options
def run(**told: Any) -> int:
    """Play every case of the files CASES against the agent."""
    names = ("mlflow_uri", "experiment", "scorers")
    uri, experiment, scorers = (told.pop(name) for name in names)
    out, as_json, quiet = told.pop("out"), told.pop("as_json"), told.pop("quiet")
    fail_under, reporting = told.pop("fail_under"), told.pop("report")
    plan = planned(to_run=True, **told)
    if plan is None:
        return BAD_INPUT
    try:
        mlflow = wanted(uri, experiment, scorers)
    except InvalidSpec as error:
        return refused(error)
    return carried_out(
        plan,
        out,
        as_json=as_json,
        quiet=quiet,
        fail_under=fail_under,
        mlflow=mlflow,
        report=reporting,
    )


@convsim.command()
@cases_argument
@click.option("--agent", metavar="TARGET|URL", help="The agent under test, if it shall be checked.")
@play_options
@read_options
def check(**told: Any) -> int:
    """Validate the files CASES, print what would run, and call nothing."""
    from convsim_adapters.cli.tables import plan_summary, plan_table  # noqa: PLC0415  heavy

    plan = planned(to_run=False, **told)
    if plan is None:
        return BAD_INPUT
    tell(plan_table(plan), "", plan_summary(plan))
    return 0


@convsim.command()
@click.option(
    "--write",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the demo's agent and cases there to try things out on, instead of running them.",
)
@out_option
def demo(write: Path | None, out: Path | None) -> int:
    """Run a dozen cases against the order desk of a small shop: offline, without a key."""
    from convsim_adapters.demo import CASES, write_demo  # noqa: PLC0415  not for --help

    if write is not None:
        written = tried(lambda: write_demo(write))
        if written is None:
            return BAD_INPUT
        click.echo(f"wrote {' and '.join(path.name for path in written)}; next:")
        click.echo(f"  cd {write}\n  convsim run cases.yaml --agent shop:OrderDesk")
        return 0
    from convsim_adapters.running.plans import Settings, make_plan  # noqa: PLC0415

    plan = tried(lambda: make_plan(CASES, DEMO_AGENT, Settings()))
    if plan is None:
        return BAD_INPUT
    click.echo("An order desk, twelve customers, one flaw. No key, no network.\n", err=True)
    return carried_out(plan, out, as_json=False, quiet=False, fail_under=None)


@convsim.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the completion script of a shell; eval it, or put it where the shell looks."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(convsim, {}, "convsim", "_CONVSIM_COMPLETE").source())


def planned(*, to_run: bool, **told: Any) -> Plan | None:
    """The plan that the options ask for; None where its problems have been told."""
    from convsim_adapters.running.plans import Settings, make_plan  # noqa: PLC0415  not for --help

    cases, agent = told.pop("cases"), told.pop("agent")
    file_format, select = told.pop("file_format"), told.pop("select")
    for kind in ("user", "goal", "agent"):
        told[f"{kind}_params"] = told.pop(f"{kind}_param")
    settings = Settings(**told)
    plan = tried(
        lambda: make_plan(
            cases, agent, settings, file_format=file_format, select=select, to_run=to_run
        )
    )
    for doubt in () if plan is None else plan.warnings:
        say(f"warning: {doubt}")
    return plan


for command in (show, watch, resume, replay, fork, diff, report, export):
    convsim.add_command(command)
