"""A simulated user that speaks fixed lines."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import cast

from attrs import frozen

from convsim_fp.core.behaviours import Leave, Move, Say, SimulatedUser, View
from convsim_fp.core.cases import TestCase
from convsim_fp.core.extras import Reading, collected, read_list
from convsim_fp.errors import Problem
from convsim_fp.users.places import read_filled

__all__ = ["script_of", "scripted"]


def scripted(lines: Iterable[str] | None = None) -> SimulatedUser:
    """Say the lines one after the other, one a turn, then leave.

    Without lines, those of ``case.extra["script"]``. ``{context.order_id}`` in a line becomes that
    value of the case, ``{{word}}`` becomes ``{word}``, and a brace without a word is only a brace.
    Raises `InvalidSpec` for lines that are not texts, and for words that no case has; the user
    fails at its first line where the case lacks the value for any of them.

    >>> from convsim_fp.core.cases import TestCase
    >>> user = scripted(["My order is {context.order}."])
    >>> user(View(TestCase(goal="track it", context={"order": "W7"}), turn=1)).text
    'My order is W7.'
    """
    if lines is None:
        return _Scripted(None)
    given = _tuple(lines)
    collected(_script("lines", given, None))
    return _Scripted(cast("tuple[str, ...]", given))


def script_of(case: TestCase) -> tuple[str, ...]:
    """The case's `script`, its places filled: what `scripted` says, and at load whether it can.

    Raises `InvalidSpec` with all problems at once.

    >>> script_of(TestCase(goal="a refund", extra={"script": ["I want {goal}.", "Bye."]}))
    ('I want a refund.', 'Bye.')
    """
    return collected(_script("extra.script", case.extra.get("script"), case), case.id)


@frozen
class _Scripted:
    lines: tuple[str, ...] | None

    def __call__(self, view: View) -> Move:
        lines = script_of(view.case) if self.lines is None else self.filled(view.case)
        said = view.turn - 1
        return Say(lines[said]) if said < len(lines) else Leave("the script ended")

    def filled(self, case: TestCase) -> tuple[str, ...]:
        return collected(_script("lines", self.lines, case), case.id)


def _script(field: str, value: object, case: TestCase | None) -> Reading[tuple[str, ...]]:
    if value == ():
        yield Problem(field, "is empty; write what the user says")
    read = partial(read_filled, case=case)
    return (yield from read_list(field, value, read=read, expected="a list of texts"))


def _tuple(lines: object) -> object:
    if isinstance(lines, str) or not isinstance(lines, Iterable):
        return lines
    return tuple(cast("Iterable[object]", lines))
