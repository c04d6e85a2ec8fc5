"""Reading what users and goal checks find in a case's `extra`: every problem, or the value.

A reading is a generator that yields problems and returns what it read, so that the parts of a
value are read with ``yield from`` and their problems add up. What is wrong is returned as some
harmless value of its type: `collected` never hands it out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from difflib import get_close_matches
from typing import TypeAlias, TypeVar, cast

from attrs import evolve

from convsim_fp.core.json_values import Json, JsonObject, kind
from convsim_fp.errors import InvalidSpec, Problem

__all__ = [
    "Reading",
    "collected",
    "read_list",
    "read_object",
    "read_pattern",
    "read_regex",
    "read_text",
    "read_texts",
]

T = TypeVar("T")
Reading: TypeAlias = Generator[Problem, None, T]

UNREADABLE = (re.error, OverflowError, RecursionError)
NO_PATTERN = re.compile("")


def collected(reading: Reading[T], case_id: str | None = None) -> T:
    """Run a reading to its end: its value, or `InvalidSpec` with all problems of that case.

    >>> collected(read_texts("extra.script", ("Hello.", "Bye.")))
    ('Hello.', 'Bye.')
    """
    problems: list[Problem] = []
    while True:
        try:
            problems.append(next(reading))
        except StopIteration as end:
            if problems:
                raise InvalidSpec(evolve(problem, id=case_id) for problem in problems) from None
            return cast("T", end.value)


def read_text(field: str, value: object, *, expected: str = "text") -> Reading[str]:
    """Take a text for one; what YAML made of an unquoted word is told how to become one.

    >>> str(next(read_text("say", False)))
    'say is a boolean (false), expected text; put it in quotes'
    """
    if isinstance(value, str):
        return value
    quoted = "; put it in quotes" if isinstance(value, bool | int | float) else ""
    yield Problem(field, f"is {kind(value)}, expected {expected}{quoted}")
    return ""


def read_texts(
    field: str, value: object, *, expected: str = "a list of texts"
) -> Reading[tuple[str, ...]]:
    """Take a tuple of texts for one; a problem for each item that is none."""
    return read_list(field, value, read=read_text, expected=expected)


def read_list(
    field: str, value: object, *, read: Callable[[str, Json], Reading[T]], expected: str
) -> Reading[tuple[T, ...]]:
    """Read each item of a tuple as `read` does, by its own field."""
    if not isinstance(value, tuple):
        found = "missing" if value is None else kind(value)
        yield Problem(field, f"is {found}, expected {expected}")
        return ()
    items: list[T] = []
    for at, item in enumerate(cast("tuple[Json, ...]", value)):
        items.append((yield from read(f"{field}[{at}]", item)))
    return tuple(items)


def read_pattern(field: str, value: object) -> Reading[re.Pattern[str]]:
    """Like `read_regex`, but one that is missing or empty, and so found anywhere, is refused."""
    if value is None or (isinstance(value, str) and not value.strip()):
        found = "missing" if value is None else "empty"
        yield Problem(field, f"is {found}; write a regular expression")
        return NO_PATTERN
    return (yield from read_regex(field, value))


def read_regex(field: str, value: object) -> Reading[re.Pattern[str]]:
    """Read a text as a regular expression that is searched without regard to case."""
    if not isinstance(value, str):
        yield Problem(field, f"is {kind(value)}, expected text")
        return NO_PATTERN
    try:
        return re.compile(value, re.IGNORECASE)
    except UNREADABLE as error:
        yield Problem(field, f"is {value!r:.80}, which is no regular expression: {error}")
        return NO_PATTERN


def read_object(
    field: str, value: object, *, known: tuple[str, ...], expected: str
) -> Reading[JsonObject | None]:
    """Take an object for one; a problem for each key that nothing reads, with what was meant."""
    if not isinstance(value, JsonObject):
        yield Problem(field, f"is {kind(value)}, expected {expected}")
        return None
    for key in value:
        if key not in known:
            close = get_close_matches(key.lower(), known, n=1)
            meant = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
            yield Problem(f"{field}.{key[:40]}", f"is not a field that is read here; {meant}")
    return value
