"""A simulated user that speaks fixed lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import cast

from attrs import frozen

from convsim_fp.core.behaviours import Leave, Move, Say, SimulatedUser, View
from convsim_fp.core.cases import TestCase
from convsim_fp.core.json_values import Json, JsonObject, readable, thaw
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.users.extras import text_problems

__all__ = ["fill", "scripted"]

PLACEHOLDER = re.compile(r"\{\{(\w[\w.-]*+)\}\}|\{(\w[\w.-]*+)\}")
SOURCES = ("goal", "persona", "id", "context", "extra")


def scripted(lines: Iterable[str] | None = None) -> SimulatedUser:
    """Say the lines one after the other, one a turn, then leave.

    Without lines, those of ``case.extra["script"]``. ``{context.order_id}`` in a line becomes that
    value of the case, ``{{word}}`` becomes ``{word}``, and a brace without a word is only a brace.
    Raises `InvalidSpec` for lines that are not texts, and for words that no case has.

    >>> from convsim_fp.core.cases import TestCase
    >>> user = scripted(["My order is {context.order}."])
    >>> user(View(TestCase(goal="track it", context={"order": "W7"}), turn=1)).text
    'My order is W7.'
    """
    if lines is None:
        return _Scripted(None)
    return _Scripted(_checked(_tuple(lines), "lines"))


@frozen
class _Scripted:
    lines: tuple[str, ...] | None

    def __call__(self, view: View) -> Move:
        lines = self.lines
        if lines is None:
            lines = _checked(view.case.extra.get("script"), "extra.script", view.case.id)
        said = view.turn - 1
        return Say(fill(lines[said], view.case)) if said < len(lines) else Leave("the script ended")


def fill(line: str, case: TestCase) -> str:
    """Put values of the case in the places of ``{goal}``, ``{context.order.id}`` and their like.

    Raises `InvalidSpec` for a place that the case has no value for.
    """
    return PLACEHOLDER.sub(
        lambda found: f"{{{found[1]}}}" if found[1] else _value(found[2], case), line
    )


def _value(path: str, case: TestCase) -> str:
    first, *rest = path.split(".")
    value: Json = getattr(case, first) if first in SOURCES else None
    for key in rest:
        value = value.get(key) if isinstance(value, JsonObject) else None
    if value is None:
        what = f"has {{{path}}}, for which the case has no value; known are {', '.join(SOURCES)}"
        raise InvalidSpec([Problem("script", what, id=case.id)])
    return value if isinstance(value, str) else readable(thaw(value))


def _tuple(lines: object) -> object:
    if isinstance(lines, str) or not isinstance(lines, Iterable):
        return lines
    return tuple(cast("Iterable[object]", lines))


def _checked(value: object, field: str, case_id: str | None = None) -> tuple[str, ...]:
    problems = text_problems(field, value, case_id)
    if problems:
        raise InvalidSpec(problems)
    if not value:
        raise InvalidSpec([Problem(field, "is empty; write what the user says", id=case_id)])
    lines = cast("tuple[str, ...]", value)
    if unknown := tuple(_unknown_places(lines, field, case_id)):
        raise InvalidSpec(unknown)
    return lines


def _unknown_places(lines: tuple[str, ...], field: str, case_id: str | None) -> Iterator[Problem]:
    for at, line in enumerate(lines):
        for found in PLACEHOLDER.finditer(line):
            if found[2] and found[2].split(".")[0] not in SOURCES:
                what = f"has {{{found[2]}}}; known are {', '.join(SOURCES)}"
                yield Problem(
                    f"{field}[{at}]", f"{what}; for the text, double the braces", id=case_id
                )
