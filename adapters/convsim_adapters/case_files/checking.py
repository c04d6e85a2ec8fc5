"""Whether a record of a file is a test case, down to what users and goal checks read of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

from attrs import evolve, frozen

from convsim_adapters.case_files.located import Record, Spot, line_of, written
from convsim_fp import goals, users
from convsim_fp.core import ParsedCases, TestCase, parse_cases
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["Checked", "check"]

READERS: Mapping[str, Callable[[TestCase], object]] = MappingProxyType(
    {**users.FIELDS, **goals.FIELDS}
)
# Stand for what is told to be wrong, so that the rest of the case is read all the same.
UNREADABLE: Mapping[str, str] = MappingProxyType({"goal": "unreadable", "persona": "unreadable"})
READ_WITH_OTHERS = frozenset({"agent_opens", "context", "extra", "history"})
NOTHING: Mapping[str, object] = MappingProxyType({})


@frozen
class Checked:
    """What became of one record: the case, or the problems that keep it from being one.

    `id` is there for a case with problems, too.
    """

    case: TestCase | None
    id: str | None
    spot: Spot
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def check(record: Record, *, index: int, file: str) -> Checked:
    """Read a record as a test case; each problem says where in the file and by its field's name."""
    parsed = ParsedCases((), (), ()) if record.unread else _parsed(record.value)
    value = cast("Mapping[str, object]", record.value) if _is_object(record) else NOTHING
    extras = _extra_problems(value, parsed)
    name = value.get("id")
    case_id = name if isinstance(name, str) else None
    names = {**{f"extra.{key}": key for key in READERS if key in value}, **record.names}

    def placed(problem: Problem) -> Problem:
        field = written(problem.field, names)
        line = problem.line or line_of(record.spot, field)
        return evolve(problem, field=field, index=index, id=case_id, file=file, line=line)

    found = (*record.problems, *parsed.problems, *extras)
    problems = tuple(placed(problem) for problem in found)
    case = parsed.cases[0] if parsed.cases and not problems else None
    warnings = tuple(placed(problem) for problem in parsed.warnings)
    return Checked(case, case_id, record.spot, problems, warnings)


def _is_object(record: Record) -> bool:
    return isinstance(record.value, Mapping) and not record.unread


def _parsed(value: object) -> ParsedCases:
    return parse_cases([value], extras=tuple(READERS))


def _extra_problems(value: Mapping[str, object], parsed: ParsedCases) -> tuple[Problem, ...]:
    """What users and goal checks find wrong, in a case with problems of its own, too."""
    cases = parsed.cases
    if not cases:
        broken = {re.split(r"[.\[]", problem.field)[0] for problem in parsed.problems}
        if broken & READ_WITH_OTHERS:
            return ()  # whether a script or an agenda is right depends on what could not be read
        cases = _parsed({**value, **{key: UNREADABLE.get(key) for key in broken}}).cases
    return tuple(problem for case in cases for problem in _read_problems(case))


def _read_problems(case: TestCase) -> Iterator[Problem]:
    present = (name for name in READERS if case.extra.get(name) is not None)
    for read in dict.fromkeys(READERS[name] for name in present):
        try:
            read(case)
        except InvalidSpec as error:
            yield from error.problems
