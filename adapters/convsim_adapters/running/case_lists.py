"""The cases of a run, wherever they come from, each by a name of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol, TypeAlias, cast

from attrs import evolve

from convsim_adapters.case_files.files import Format
from convsim_adapters.running.players import OWNERS, check_fields
from convsim_fp.core import TestCase, parse_cases
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["Cases", "Frame", "not_found", "read_cases", "selected"]


NONE = Problem("cases", "are none, expected at least one test case")


class Frame(Protocol):
    """A DataFrame of pandas, as far as a type checker has to know it."""

    @property
    def columns(self) -> object:
        """The names of its columns."""
        ...

    @property
    def iloc(self) -> object:
        """Its cells by position."""
        ...


Cases: TypeAlias = "str | Path | Frame | Iterable[str | Path | TestCase | Mapping[str, object]]"


def read_cases(
    given: Cases, file_format: Format
) -> tuple[tuple[TestCase, ...], tuple[Problem, ...]]:
    """The cases, each with a name, and what is doubtful in them.

    Raises `InvalidSpec` with all problems of all files, records or rows.
    """
    if _is_frame(given):
        return _read_frame(given)
    one = isinstance(given, str | Path | Mapping | TestCase)
    if not one and not isinstance(given, Iterable):
        what = f"are {given!r:.80}, expected a file, several of them, or a list of records"
        raise InvalidSpec([Problem("cases", what)])
    items = cast("list[object]", [given] if one else list(cast("Iterable[object]", given)))
    if items and all(isinstance(item, str | Path) for item in items):
        from convsim_adapters.case_files import load_cases  # noqa: PLC0415  parsers, when needed

        loaded = load_cases(cast("list[str | Path]", items), format=file_format)
        return _named(loaded.cases), loaded.warnings
    parsed = parse_cases(items, extras=OWNERS)
    problems = list(parsed.problems)
    for index, case in enumerate(parsed.cases):
        problems += (evolve(problem, index=index) for problem in check_fields(case))
    if not items:
        problems.append(NONE)
    if problems:
        raise InvalidSpec(problems)
    return _named(parsed.cases), parsed.warnings


def _is_frame(given: object) -> bool:
    """Whether it is a DataFrame, by the names of its classes: pandas is not imported for it."""
    names = ((one.__module__.partition(".")[0], one.__name__) for one in type(given).__mro__)
    return ("pandas", "DataFrame") in names


def _read_frame(frame: object) -> tuple[tuple[TestCase, ...], tuple[Problem, ...]]:
    from convsim_adapters.pandas import parse_frame  # noqa: PLC0415  a vendor, when needed

    parsed = parse_frame(frame)
    if not (parsed.cases or parsed.problems):
        raise InvalidSpec([NONE])
    return _named(parsed.or_raise()), parsed.warnings


def _named(cases: Iterable[TestCase]) -> tuple[TestCase, ...]:
    """Every case by a name of its own, so that choosing some of them renames none."""
    named = tuple(
        case if case.id is not None else evolve(case, id=f"case-{index}")
        for index, case in enumerate(cases)
    )
    first: dict[str | None, int] = {}
    clashes = [
        Problem("id", f"is the name of cases[{first[case.id]}] too; give another", index, case.id)
        for index, case in enumerate(named)
        if first.setdefault(case.id, index) != index
    ]
    if clashes:
        raise InvalidSpec(clashes)
    return named


def selected(cases: tuple[TestCase, ...], select: str | Sequence[str]) -> tuple[TestCase, ...]:
    """The cases of these ids and tags (``tag:T``); all where none is asked for.

    Raises `InvalidSpec` for an id or a tag that no case has.
    """
    select = (select,) if isinstance(select, str) else select
    tags = {f"tag:{tag}" for case in cases for tag in case.tags}
    known = {str(case.id) for case in cases} | tags
    unknown = [wanted for wanted in select if wanted not in known]
    if cases and unknown:
        raise InvalidSpec(_unknown_selection(wanted, known) for wanted in unknown)
    if not select:
        return cases
    return tuple(
        case for case in cases if {str(case.id), *(f"tag:{t}" for t in case.tags)} & set(select)
    )


def not_found(name: str, known: Iterable[str]) -> Problem:
    """The problem of a name that no case or session of a run has."""
    close = get_close_matches(name, list(known), n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return Problem("case", f"is {name!r:.80}, which is no case of this run{meant}")


def _unknown_selection(wanted: str, known: Iterable[str]) -> Problem:
    close = get_close_matches(wanted, list(known), n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ", and no such tag; tags are tag:NAME"
    return Problem("select", f"is {wanted!r:.80}, but no case has this id{meant}")
