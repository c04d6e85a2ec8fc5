"""What the command says, and what it refuses; on standard output only what was asked for.

Streams are written to as they are: click's echo writes UTF-8 where a stream says that it is ASCII.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO, TypeVar

from convsim_adapters.cli.plain import printable
from convsim_fp.errors import ConvsimError, InvalidSpec

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = [
    "BAD_INPUT",
    "BROKEN",
    "INTERRUPTED",
    "SHOWABLE",
    "UNDER_RATE",
    "console",
    "deaf",
    "found",
    "refused",
    "report",
    "say",
    "tell",
    "tried",
]

T = TypeVar("T")

BAD_INPUT, INTERRUPTED, UNDER_RATE, BROKEN = 2, 130, 1, 3
WIDE = 200  # columns where there is no terminal
# Our own signs in letters, for terminals and pipes that know ASCII only.
LETTERS = {
    "·": "|", "–": "-", "—": "-", "…": "...", "×": "x", "≥": ">=", "→": "->",
    "‘": "'", "’": "'", "“": '"', "”": '"', "\xa0": " ",
}  # fmt: skip
SHOWABLE = "convsim-showable"


def tried(make: Callable[[], T]) -> T | None:
    """What a step gives; None where it refuses, after its problems have been told."""
    try:
        return make()
    except ConvsimError as error:
        refused(error)
        return None


def found(make: Callable[[], T]) -> T | None:
    """What reading gives; None where it refuses, after its problems have been told."""
    try:
        return make()
    except ConvsimError as error:
        for problem in error.problems if isinstance(error, InvalidSpec) else (error,):
            say(f"error: {problem}")
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
    _write(sys.stdout, printable(words))


def say(words: str) -> None:
    """Say something on standard error."""
    _write(sys.stderr, printable(words))


def tell(*parts: RenderableType) -> None:
    """Print to standard output; where that is no terminal, without blanks at the ends of lines.

    Whoever reads it may stop reading before its end.
    """
    try:
        _told(*parts)
        sys.stdout.flush()
    except BrokenPipeError:
        deaf()


def deaf() -> int:
    """Say nothing more on standard output, which nobody reads any more; the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _told(*parts: RenderableType) -> None:
    there = console()
    if there.is_terminal:
        for part in parts:
            there.print(part)
        return
    with there.capture() as captured:
        for part in parts:
            there.print(part)
    _write(sys.stdout, "\n".join(line.rstrip() for line in captured.get().splitlines()))


def _write(stream: TextIO, words: str) -> None:
    stream.write(f"{words}\n")
    stream.flush()


def console(*, err: bool = False) -> Console:
    """A console that shows text as it is, and is wide where nobody looks."""
    from rich.console import Console  # noqa: PLC0415  heavy

    made = Console(stderr=err, highlight=False, markup=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = WIDE
    return made


def _in_letters(error: UnicodeError) -> tuple[str, int]:
    """What a locale cannot show is no reason to stop: our own signs in letters, the rest as "?"."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    some = error.object[error.start : error.end]
    return "".join(LETTERS.get(one, "?") for one in some), error.end


codecs.register_error(SHOWABLE, _in_letters)
