"""The options of the command, each once, for all of its subcommands."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, TypeAlias, cast

import click
from click.core import ParameterSource

__all__ = [
    "cases_argument",
    "given_now",
    "out_option",
    "play_options",
    "read_options",
    "result_options",
    "run_argument",
]

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

FORMATS = ("auto", "yaml", "json", "jsonl", "csv", "tau2")


class Parameter(click.ParamType[tuple[str, object]]):
    """``K=V``: V is JSON where it can be read as such, else text."""

    name = "K=V"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, object]:
        """Split it; a usage error where there is no name."""
        if not isinstance(value, str):
            return cast("tuple[str, object]", value)
        key, equals, given = value.partition("=")
        if not equals or not key.strip():
            self.fail("what is given has no name and value; write NAME=VALUE", param, ctx)
        try:
            return key.strip(), json.loads(given)
        except ValueError:
            return key.strip(), given


class Parameters(click.Option):
    """A repeatable ``K=V`` that gives a dict; a name that is given twice is a usage error."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> dict[str, object]:
        """Join the pairs."""
        pairs = super().type_cast_value(ctx, value) or ()
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise click.BadParameter(f"{twice!r} is given twice", ctx=ctx, param=self)
        return dict(pairs)


PARAMETER = Parameter()


def _option(*names: str, **told: Any) -> Decorator:
    return click.option(*names, show_default=True, **told)


def _params(name: str, of: str) -> Decorator:
    return click.option(name, cls=Parameters, type=PARAMETER, multiple=True, metavar="K=V", help=of)


def _number(name: str, *, least: int, **told: Any) -> Decorator:
    return _option(name, type=click.IntRange(min=least), metavar="N", **told)


def _most(name: str, of: str) -> Decorator:
    return click.option(name, type=click.IntRange(min=1), metavar="N", help=of)


ABOVE_0 = click.FloatRange(min=0, min_open=True)

READING = (
    _option(
        "--format",
        "file_format",
        type=click.Choice(FORMATS),
        default="auto",
        help="Of the case files; auto goes by their names.",
    ),
    click.option(
        "--select",
        multiple=True,
        metavar="ID|tag:T",
        help="Only cases of this id or tag. Repeatable.",
    ),
)

PLAYING = (
    click.option(
        "--user",
        metavar="[model|by-user|scripted|agenda|TARGET]",
        help="Who plays the user. Default: the agenda or script that a case carries, else a model.",
    ),
    click.option(
        "--user-model",
        metavar="M",
        help="PROVIDER/MODEL, the URL of an endpoint with the parameter model, or the TARGET of a "
        "model port.",
    ),
    _params("--user-param", "A parameter for the user's model, such as temperature=1. Repeatable."),
    click.option("--user-leaves", is_flag=True, help="A model's user may leave by itself."),
    click.option(
        "--goal-check",
        metavar="[model|when|never|TARGET]",
        help="What checks the goal. Default: the pattern that a case carries, else a model.",
    ),
    click.option("--goal-model", metavar="M", help="The judge. Default: the user's model."),
    _params("--goal-param", "A parameter for the judge, such as temperature=0. Repeatable."),
    _option(
        "--client",
        type=click.Choice(("auto", "direct", "litellm")),
        default="auto",
        help="What calls models. auto: URLs and openai/MODEL direct, which is quick, else litellm.",
    ),
    _option(
        "--on-goal-check-failure",
        type=click.Choice(("stop", "continue")),
        default="stop",
        help="Whether a judge that fails ends its session, or counts as not achieved.",
    ),
    _params("--agent-param", "A field for the agent behind a URL, such as model=NAME. Repeatable."),
    _number("--max-turns", least=1, default=10, help="Turns of a session."),
    _number("--max-asks", least=1, default=3, help="Questions to a model for one decision."),
    _number("--trials", least=1, default=1, help="Sessions for each case."),
    _number("--processes", least=1, default=1, help="Processes that share the sessions."),
    _number("--concurrency", least=1, default=200, help="Sessions at once."),
    _most("--rpm", "Requests a minute to each model. Default: no limit."),
    _most("--tpm", "Tokens a minute, in and out, of each model. Default: no limit."),
    click.option(
        "--overlap/--no-overlap",
        default=None,
        help="Ask for the next user message while the judge is out. Default: if both are models.",
    ),
    _option(
        "--seed", type=int, default=0, metavar="N", help="From which each session derives its own."
    ),
    _number("--retries", least=0, default=4, help="More attempts of a model's call."),
    _option(
        "--timeout",
        type=ABOVE_0,
        default=120.0,
        metavar="S",
        help="Seconds for one attempt of a model's call, and for one call of the agent.",
    ),
    click.option("--max-cost", type=ABOVE_0, metavar="USD", help="US dollars that a run may cost."),
    _most("--max-tokens", "Tokens that a run may use."),
    click.option("--max-seconds", type=ABOVE_0, metavar="S", help="Seconds that a run may take."),
    click.option(
        "--agent-state",
        type=click.Choice(("transcript", "session", "process")),
        help="What the agent remembers beside what it is sent: nothing, by the session's id, or in "
        "the process. Default: process for a class or a factory, else transcript.",
    ),
    _option(
        "--durability",
        type=click.Choice(("process", "strict")),
        default="process",
        help="What records survive before more is sent: a killed process, or a power loss too.",
    ),
)


RESULT = (
    click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object."),
    click.option("--quiet", is_flag=True, help="No progress and no table, only the summary."),
    click.option(
        "--fail-under",
        type=click.FloatRange(0, 1),
        metavar="RATE",
        help="Exit with 1 where a smaller share of sessions achieved its goal, such as 0.9.",
    ),
)
OUT = (
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Where the run is recorded. Default: a new directory in runs.",
    ),
)


def run_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument for the directory of a recorded run."""
    taken = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
    return taken(command)


def out_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option for where a run is recorded."""
    return _with(OUT, command)


def result_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options for how a result is told."""
    return _with(RESULT, command)


def given_now(ctx: click.Context, told: dict[str, Any]) -> dict[str, Any]:
    """The settings among the options that were given, and not left as they are."""
    for kind in ("user", "goal", "agent"):
        told[f"{kind}_params"] = told.pop(f"{kind}_param")
    return {
        name: value
        for name, value in told.items()
        if ctx.get_parameter_source(name.removesuffix("s") if name.endswith("_params") else name)
        is ParameterSource.COMMANDLINE
    }


def cases_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument for files of cases."""
    taken = click.argument("cases", nargs=-1, required=True, type=click.Path(path_type=Path))
    return taken(command)


def read_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options for how cases are read and which of them are taken."""
    return _with(READING, command)


def play_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options for who plays, who judges, and the limits."""
    return _with(PLAYING, command)


def _with(options: tuple[Decorator, ...], command: Callable[..., Any]) -> Callable[..., Any]:
    return reduce(lambda made, option: option(made), reversed(options), command)
