"""What the command says, and what it refuses; on standard output only what was asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from convsim_adapters.cli.plain import printable
from convsim_fp.errors import ConvsimError, InvalidSpec

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = [
    "BAD_INPUT",
    "BROKEN",
    "INTERRUPTED",
    "UNDER_RATE",
    "console",
    "refused",
    "report",
    "say",
    "tell",
    "tried",
]

T = TypeVar("T")

BAD_INPUT, INTERRUPTED, UNDER_RATE, BROKEN = 2, 130, 1, 3
WIDE = 200  # columns where there is no terminal


def tried(make: Callable[[], T]) -> T | None:
    """What a step gives; None where it refuses, after its problems have been told."""
    try:
        return make()
    except ConvsimError as error:
        refused(error)
        return None


def refused(error: ConvsimError) -> int:
    """Tell every problem; the exit code."""
    problems = error.problems if isinstance(error, InvalidSpec) else (error,)
    for problem in problems:
        say(f"error: {problem}")
    number = len(problems)
    say(f"{number} problem{'s' * (number > 1)}; nothing was run")
    return BAD_INPUT


def report(words: str) -> None:
    """Say on standard output what was asked for."""
    click.echo(printable(words))


def say(words: str) -> None:
    """Say something on standard error."""
    click.echo(printable(words), err=True)


def tell(*parts: RenderableType) -> None:
    """Print to standard output; where that is no terminal, without blanks at the ends of lines."""
    there = console()
    if there.is_terminal:
        for part in parts:
            there.print(part)
        return
    with there.capture() as captured:
        for part in parts:
            there.print(part)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def console(*, err: bool = False) -> Console:
    """A console that shows text as it is, and is wide where nobody looks."""
    from rich.console import Console  # noqa: PLC0415  heavy

    made = Console(stderr=err, highlight=False, markup=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = WIDE
    return made
