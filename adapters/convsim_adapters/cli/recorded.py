"""The subcommands that start from a recorded run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import asdict

from convsim_adapters.cli.carrying import carried_out
from convsim_adapters.cli.figures import count
from convsim_adapters.cli.options import (
    given_now,
    out_option,
    play_options,
    result_options,
    run_argument,
)
from convsim_adapters.cli.output import BAD_INPUT, UNDER_RATE, report, say, tried

if TYPE_CHECKING:
    from convsim_adapters.running.beginnings import Beginning

__all__ = ["fork", "replay", "resume"]

AGENT = click.option("--agent", metavar="TARGET|URL", help="Another agent than the recorded one.")


@click.command()
@run_argument
@click.option(
    "--retry",
    type=click.Choice(("failed",)),
    help="Try again what failed for good: of the agent, the user, the judge or the connection.",
)
@click.option(
    "--restart",
    is_flag=True,
    help="Begin sessions of an agent that remembers in its process anew, instead of repeating its "
    "calls.",
)
@click.option(
    "--accept-changes",
    is_flag=True,
    help="Go on although cases, agent, models or settings are not those of the run.",
)
@click.option("--agent", metavar="TARGET|URL", help="The agent, where its address is secret.")
@play_options
@result_options
@click.pass_context
def resume(
    ctx: click.Context,
    /,
    *,
    directory: Path,
    retry: str | None,
    restart: bool,
    accept_changes: bool,
    as_json: bool,
    quiet: bool,
    fail_under: float | None,
    **told: Any,
) -> int:
    """Finish the run in DIR. No request whose answer is recorded is sent again.

    Settings are those of the run; secret parameters were not written down, so give them again.
    """
    from convsim_adapters.running.resuming import plan_to_resume  # noqa: PLC0415  not for --help

    given = given_now(ctx, told)
    found = tried(
        lambda: plan_to_resume(
            directory,
            given,
            retry="failed" if retry else "nothing",
            restart=restart,
            accept_changes=accept_changes,
        )
    )
    if found is None:
        return BAD_INPUT
    plan, beginning = found
    _say_what_goes_on(beginning, plan.sessions)
    return carried_out(
        plan, directory, as_json=as_json, quiet=quiet, fail_under=fail_under, beginning=beginning
    )


def _say_what_goes_on(beginning: Beginning, sessions: int) -> None:
    whole = len(beginning.whole)
    say(f"{whole} of {count(sessions, 'session')} whole, {sessions - whole} to go on with")
    calls = sum(len(one.again) for one in beginning.resumed.values())
    if calls:
        say(f"made again, so that the agent knows what was said: {count(calls, 'call')}")
    if beginning.in_flight:
        sent = count(beginning.in_flight, "request")
        say(f"in flight when it was killed: up to {sent}, sent again")


@click.command()
@run_argument
@click.argument("case", required=False)
@click.option(
    "--check",
    type=click.Choice(("content", "ids")),
    default="content",
    show_default=True,
    help="What has to agree of each request: every word, or only its place.",
)
@click.option(
    "--agent", metavar="TARGET|URL", help="Let the recorded users talk to this agent, live."
)
@click.option(
    "--continue",
    "go_on",
    is_flag=True,
    help="Where the agent departs from the record, go on live, with models, in a new run.",
)
@play_options
@out_option
@result_options
@click.pass_context
def replay(
    ctx: click.Context,
    /,
    *,
    directory: Path,
    case: str | None,
    check: str,
    agent: str | None,
    go_on: bool,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    fail_under: float | None,
    **told: Any,
) -> int:
    """Play the recorded run in DIR again, or one CASE of it: nobody is called, and nothing paid.

    Exits with 1 where a session departs from its record, and says where. With --agent the recorded
    users talk to a live agent for as long as it replies as recorded.
    """
    given = given_now(ctx, told)
    if agent is None and not go_on:
        return _replayed(directory, case, given, check=check, as_json=as_json)
    from convsim_adapters.running.replaying import plan_against  # noqa: PLC0415  not for --help

    found = tried(lambda: plan_against(directory, agent, case=case, go_on=go_on, given=given))
    if found is None:
        return BAD_INPUT
    plan, beginning, answers = found
    code = carried_out(
        plan,
        out,
        as_json=as_json,
        quiet=quiet,
        fail_under=fail_under,
        save=go_on,
        beginning=beginning,
        around=answers.around,
    )
    departed = tuple(answers.departed.values())
    telling = say if as_json else report
    for one in departed:
        telling(str(one))
    departs = "departs" if len(departed) == 1 else "depart"
    of = count(plan.sessions, "session")
    telling(f"{len(departed)} of {of} {departs} from the record")
    return max(code, UNDER_RATE) if departed else code


def _replayed(
    directory: Path, case: str | None, given: dict[str, Any], *, check: Any, as_json: bool
) -> int:
    from convsim_adapters.running.replaying import replay_run  # noqa: PLC0415  not for --help

    found = tried(lambda: replay_run(directory, case, check=check, **given))
    if found is None:
        return BAD_INPUT
    departed = [one for one in found if one.divergence is not None]
    if as_json:
        click.echo(json.dumps({"sessions": [asdict(one) for one in found]}))
        return UNDER_RATE if departed else 0
    for one in departed:
        report(str(one.divergence))
    turns = sum(one.turns for one in found)
    same = len(found) - len(departed)
    report(f"{same} of {len(found)} sessions went again as recorded, {turns} turns")
    return UNDER_RATE if departed else 0


@click.command()
@run_argument
@click.argument("case")
@click.option(
    "--at-turn",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="The first turn that may differ, from 1.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="K",
    help="How many new sessions.",
)
@click.option("--persona", metavar="TEXT", help="Another persona than the case's.")
@AGENT
@play_options
@out_option
@result_options
@click.pass_context
def fork(
    ctx: click.Context,
    /,
    *,
    directory: Path,
    case: str,
    at_turn: int,
    samples: int,
    persona: str | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    fail_under: float | None,
    **told: Any,
) -> int:
    """Play on from a turn of the CASE (ID or ID/TRIAL) in DIR, in new sessions of a new run.

    They share the turns before it. From which turn on does failure become likely?
    """
    from convsim_adapters.running.forking import fork_plan  # noqa: PLC0415  not for --help

    given = given_now(ctx, told)
    found = tried(
        lambda: fork_plan(
            directory, case, at_turn=at_turn, samples=samples, persona=persona, given=given
        )
    )
    if found is None:
        return BAD_INPUT
    plan, beginning = found
    return carried_out(
        plan, out, as_json=as_json, quiet=quiet, fail_under=fail_under, beginning=beginning
    )
